#pragma once

#include <compare>
#include <cstdint>
#include <span>

namespace step3::afd {

/// Stands for the tokens of a KV block and everything before them: two blocks of one name hold the same K and V.
struct BlockName {
    std::uint64_t high = 0, low = 0;
    auto operator<=>(const BlockName&) const = default;
};

/// What the blocks of the KV cache are used for.
struct KvUsage {
    std::int64_t blocks = 0;       // there may be at most so many
    std::int64_t blockTokens = 0;  // tokens of one block
    std::int64_t used = 0;         // belong to sequences
    std::int64_t cached = 0;       // belong to none but are named, to be found again; taken when nothing else is left
    [[nodiscard]] std::int64_t available() const { return blocks - used; }
    [[nodiscard]] std::int64_t blocksFor(std::int64_t tokens) const { return (tokens + blockTokens - 1) / blockTokens; }
};

/// KV cache and position of one sequence; lives on the attention role.
class Sequence {
public:
    virtual ~Sequence() = default;
    [[nodiscard]] virtual std::int64_t length() const = 0;    // tokens whose K and V are cached
    [[nodiscard]] virtual std::uint64_t kvBytes() const = 0;  // bytes allocated
    /// Forgets all tokens from `length` on, 0 .. length(), and gives their memory back: a draft that was refused.
    virtual void truncate(std::int64_t length) = 0;
    /// Names its first blocks, so that other sequences can begin with them. Names of blocks that are not full yet are
    /// ignored.
    virtual void nameBlocks(std::span<const BlockName> names) = 0;
};

/// Rows [begin, end) of a step's token matrix.
struct RowRange {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    [[nodiscard]] std::int64_t size() const { return end - begin; }
};

/// What the attention role sends to the FFN role for one layer and micro-batch: tokens after the second norm and, in
/// MoE layers, where they are routed (the router sits on the attention side, spec afd section 1). The FFN role answers
/// with [T, H]: dense FFN, or shared expert plus the weighted sum of the routed experts; the residual is added by
/// attention.
struct FfnRequest {
    std::int64_t layer = 0;
    std::int64_t tokens = 0;                  // T
    const float* hidden = nullptr;            // [T, H]
    const std::int32_t* expertIds = nullptr;  // [T, K], null in a dense layer
    const float* expertWeights = nullptr;     // [T, K], null in a dense layer
};

}  // namespace step3::afd
