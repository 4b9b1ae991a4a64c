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

/// Guesses the next tokens of requests (speculative decoding). The model checks every guess in the step that takes the
/// next token, so a guess can cost time and never changes an answer. Used by the scheduler thread alone.
class Drafter {
public:
    virtual ~Drafter() = default;

    /// Its name in metrics.
    [[nodiscard]] virtual std::string_view name() const = 0;
    [[nodiscard]] virtual std::unique_ptr<DraftState> newState() = 0;
    virtual void draft(std::span<DraftTask> tasks) = 0;
};

/// Guesses from the request's own tokens (sampling::PromptLookup).
std::unique_ptr<Drafter> makePromptLookupDrafter();

}  // namespace step3::serving
