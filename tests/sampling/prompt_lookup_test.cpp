#include "engine/sampling/prompt_lookup.h"

#include <random>

#include <catch2/catch.hpp>

using step3::sampling::PromptLookup;
using Ids = std::vector<std::int32_t>;

namespace {

/// The same in plain loops.
Ids reference(const Ids& tokens, std::size_t count) {
    std::size_t best = 0;
    std::size_t longest = PromptLookup::kShortestMatch - 1;
    std::size_t seen = 0;
    for (std::size_t end = tokens.size() - 1; end >= PromptLookup::kShortestMatch; --end) {
        std::size_t length = 0;
        while (length < std::min(end, PromptLookup::kLongestMatch) &&
               tokens[end - 1 - length] == tokens[tokens.size() - 1 - length])
            ++length;
        if (length < PromptLookup::kShortestMatch) continue;
        if (seen++ == PromptLookup::kMostMatches) break;
        if (length > longest) {
            longest = length;
            best = end;
        }
    }
    Ids drafted;
    Ids all = tokens;
    for (std::size_t i = 0; best > 0 && i < count; ++i) {
        drafted.push_back(all[best + i]);
        all.push_back(drafted.back());
    }
    return drafted;
}

}  // namespace

TEST_CASE("prompt lookup goes on as after the longest earlier match, the latest of equals") {
    PromptLookup lookup;
    CHECK(lookup.draft(Ids{1, 2, 3, 9, 2, 3, 7, 1, 2, 3}, 2) == Ids{9, 2});
    PromptLookup latest;
    CHECK(latest.draft(Ids{2, 3, 9, 2, 3, 7, 5, 2, 3}, 3) == Ids{7, 5, 2});
}

TEST_CASE("prompt lookup: what never occurred, or only once, is not guessed from") {
    PromptLookup lookup;
    CHECK(lookup.draft(Ids{}, 4).empty());
    CHECK(lookup.draft(Ids{1}, 4).empty());
    CHECK(lookup.draft(Ids{1, 2}, 4).empty());
    CHECK(lookup.draft(Ids{1, 2, 3}, 4).empty());
    CHECK(lookup.draft(Ids{1, 2, 3, 1}, 4).empty());  // one token is no match
    CHECK(lookup.draft(Ids{1, 2, 3, 1, 2}, 4) == Ids{3, 1, 2, 3});
    CHECK(lookup.draft(Ids{1, 2, 3, 1, 2}, 0).empty());
}

TEST_CASE("prompt lookup: a loop is guessed as long as it is asked for") {
    PromptLookup lookup;
    CHECK(lookup.draft(Ids{5, 5, 5}, 4) == Ids{5, 5, 5, 5});
    CHECK(lookup.draft(Ids{5, 5, 5, 6, 7, 6, 7, 6}, 5) == Ids{7, 6, 7, 6, 7});
}

TEST_CASE("prompt lookup: an index that grows finds what a search over everything finds") {
    std::mt19937 random(3);
    for (const std::uint32_t letters : {1U, 2U, 5U, 40U}) {
        PromptLookup lookup;
        Ids tokens;
        while (tokens.size() < 600) {
            for (std::uint32_t more = 1 + random() % 4; more > 0; --more)
                tokens.push_back(static_cast<std::int32_t>(random() % letters));
            if (tokens.size() < 3 || random() % 3 == 0) continue;  // not asked after every token
            REQUIRE(lookup.draft(tokens, 6) == reference(tokens, 6));
        }
    }
}
