#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace step3::sampling {

/// Guesses the tokens that come next in a sequence from the sequence itself: what followed the longest earlier
/// occurrence of its end (prompt lookup decoding). Good where an answer repeats its prompt or itself: quotations, code,
/// tables, summaries. Keeps an index of the sequence that grows with it.
class PromptLookup {
public:
    /// At most `count` tokens; none if the last kShortestMatch tokens have not occurred before. Of equally long matches
    /// the latest is taken; a match that runs into the end of the sequence goes on with what was guessed. `tokens` is
    /// the whole sequence and must begin with what earlier calls were given.
    [[nodiscard]] std::vector<std::int32_t> draft(std::span<const std::int32_t> tokens, std::size_t count);

    static constexpr std::size_t kShortestMatch = 2;  // tokens
    static constexpr std::size_t kLongestMatch = 16;  // a longer one is no better
    static constexpr std::size_t kMostMatches = 64;   // compared, the latest first

private:
    static constexpr std::size_t kNone = 0;

    void takeIn(std::span<const std::int32_t> tokens);

    // Places where a pair of tokens ends, as the index of the token after it: at least 2.
    std::unordered_map<std::uint64_t, std::size_t> latest_;  // of each pair
    std::vector<std::size_t> previous_;                      // [tokens + 1]: the place before with the same pair
};

}  // namespace step3::sampling
