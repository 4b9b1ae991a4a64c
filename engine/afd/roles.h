#pragma once

#include <cstdint>

namespace step3::afd {

/// KV cache and position of one sequence; lives on the attention role.
class Sequence {
public:
    virtual ~Sequence() = default;
    [[nodiscard]] virtual std::int64_t length() const = 0;    // tokens whose K and V are cached
    [[nodiscard]] virtual std::uint64_t kvBytes() const = 0;  // bytes allocated
    /// Forgets all tokens from `length` on, 0 .. length(), and gives their memory back: a draft that was refused.
    virtual void truncate(std::int64_t length) = 0;
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
