#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace step3 {

/// What guesses the next tokens of an answer (speculative decoding). The model checks every guess, answers are the same
/// with all of them.
enum class DraftMode {
    kAuto,          // the checkpoint's prediction module if it has one, else prompt lookup
    kMtp,           // the checkpoint's prediction module (multi-token prediction)
    kPromptLookup,  // repetitions of the prompt and the answer
    kOff,
};

inline constexpr std::array<std::pair<std::string_view, DraftMode>, 4> kDraftModes{
    {{"auto", DraftMode::kAuto},
     {"mtp", DraftMode::kMtp},
     {"prompt-lookup", DraftMode::kPromptLookup},
     {"off", DraftMode::kOff}}};

constexpr std::string_view draftModeName(DraftMode mode) {
    for (const auto& [name, value] : kDraftModes) {
        if (value == mode) return name;
    }
    return {};
}

inline constexpr std::int32_t kMostDraftTokens = 16;

struct DraftOptions {
    DraftMode mode = DraftMode::kAuto;
    std::int32_t tokens = 4;  // 1 to kMostDraftTokens: at most so many are guessed at a time
    bool always = false;      // so many whatever it costs; else only where measured to make answers faster
};

}  // namespace step3
