#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace step3::serving {

/// What a drafter keeps of one request.
class DraftState {
public:
    virtual ~DraftState() = default;
};

/// Tokens to guess for one request.
struct DraftTask {
    DraftState* state = nullptr;
    std::span<const std::int32_t> tokens;  // prompt and answer so far
    std::size_t count = 0;                 // at most so many
    std::vector<std::int32_t> draft = {};  // the result; may be shorter or empty
};

/// Tokens of a request that the model has read and that stay.
struct ReadRows {
    std::span<const std::int32_t> tokens;  // [T]
    std::span<const float> trunk;          // [T, H] (afd::Pipeline::trunk)
    std::span<const float> embeddings;     // [T, H], or empty: those of the tokens
};

/// Guesses the next tokens of requests (speculative decoding). The model checks every guess in the step that takes the
/// next token, so a guess can cost time and never changes an answer. Used by the scheduler thread alone.
class Drafter {
public:
    virtual ~Drafter() = default;

    /// Its name in metrics.
    [[nodiscard]] virtual std::string_view name() const = 0;
    [[nodiscard]] virtual std::unique_ptr<DraftState> newState() = 0;
    /// Throws Error if it runs out of memory; the states of the tasks can then only be thrown away.
    virtual void draft(std::span<DraftTask> tasks) = 0;

    /// It needs what the model read: `read` or `skip` of every step of a request, in order.
    [[nodiscard]] virtual bool wantsTrunk() const { return false; }
    /// Throws Error like draft().
    virtual void read(DraftState&, const ReadRows&) {}
    /// Read, but it is not likely that something will be drafted soon: to cost next to nothing.
    virtual void skip(DraftState&, const ReadRows&) {}
};

/// Guesses from the request's own tokens (sampling::PromptLookup).
std::unique_ptr<Drafter> makePromptLookupDrafter();

}  // namespace step3::serving
