#include "engine/sampling/prompt_lookup.h"

#include <algorithm>

namespace step3::sampling {

namespace {

std::uint64_t pairEndingAt(std::span<const std::int32_t> tokens, std::size_t end) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(tokens[end - 2])) << 32U) |
           static_cast<std::uint32_t>(tokens[end - 1]);
}

/// How many tokens before `a` and before `b` are equal, at most `most`; a < b.
std::size_t equalBefore(std::span<const std::int32_t> tokens, std::size_t a, std::size_t b, std::size_t most) {
    std::size_t length = 0;
    while (length < std::min(a, most) && tokens[a - 1 - length] == tokens[b - 1 - length]) ++length;
    return length;
}

}  // namespace

void PromptLookup::takeIn(std::span<const std::int32_t> tokens) {
    std::size_t end = std::max<std::size_t>(previous_.size(), kShortestMatch);
    previous_.resize(std::max(previous_.size(), tokens.size() + 1), kNone);
    for (; end <= tokens.size(); ++end) {
        std::size_t& latest = latest_[pairEndingAt(tokens, end)];
        previous_[end] = latest;
        latest = end;
    }
}

std::vector<std::int32_t> PromptLookup::draft(std::span<const std::int32_t> tokens, std::size_t count) {
    std::vector<std::int32_t> drafted;
    if (count == 0 || tokens.size() <= kShortestMatch) return drafted;
    takeIn(tokens);
    const std::size_t end = tokens.size();
    std::size_t best = kNone;
    std::size_t longest = 0;
    std::size_t place = previous_[end];
    for (std::size_t seen = 0; place != kNone && seen < kMostMatches && longest < kLongestMatch; ++seen) {
        const std::size_t length = equalBefore(tokens, place, end, kLongestMatch);
        if (length > longest) {
            longest = length;
            best = place;
        }
        place = previous_[place];
    }
    if (best == kNone) return drafted;
    for (std::size_t i = 0; i < count; ++i) {
        drafted.push_back(best + i < end ? tokens[best + i] : drafted[best + i - end]);
    }
    return drafted;
}

}  // namespace step3::sampling
