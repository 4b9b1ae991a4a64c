// Regular expressions: against PCRE2 on random texts, and what is refused.

#include <array>
#include <random>

#include <catch2/catch.hpp>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/error.h"
#include "engine/sampling/structured/regex.h"
#include "tests/sampling/structured_support.h"

using namespace step3;
using namespace step3::sampling::structured;
using namespace step3::sampling::structured::testing;

namespace {

class Pcre {
public:
    Pcre(const std::string& pattern, std::uint32_t options) {
        int error = 0;
        PCRE2_SIZE at = 0;
        code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | options, &error, &at, nullptr);
        REQUIRE(code_ != nullptr);
        data_ = pcre2_match_data_create_from_pattern(code_, nullptr);
    }
    ~Pcre() {
        pcre2_match_data_free(data_);
        pcre2_code_free(code_);
    }
    Pcre(const Pcre&) = delete;
    Pcre& operator=(const Pcre&) = delete;
    [[nodiscard]] bool matches(const std::string& text) const {
        return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data_, nullptr) > 0;
    }

private:
    pcre2_code* code_ = nullptr;
    pcre2_match_data* data_ = nullptr;
};

constexpr std::uint32_t kWhole = PCRE2_ANCHORED | PCRE2_ENDANCHORED;

std::string randomPattern(std::mt19937& random, int depth) {
    static constexpr std::array kAtoms{"a",     "b",   "c",      "[ab]",   "[^a]", "[a-c]",  "\\d", "\\w",
                                       "\\s",   "\\D", "\\S",    "\\W",    "é",    "[é-漢]", "😀",   "[^é]",
                                       "\\x62", "\\-", "[\\d-]", "[\\w.]", "\\t",  "(?:ab)"};
    std::string pattern;
    const int parts = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < parts; ++i) {
        if (depth > 0 && random() % 3 == 0) {
            pattern += '(';
            pattern += randomPattern(random, depth - 1);
            while (random() % 2 == 0) pattern.append("|").append(randomPattern(random, depth - 1));
            pattern += ')';
        } else {
            pattern += kAtoms[random() % kAtoms.size()];
        }
        static constexpr std::array kQuantifiers{"*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "{1,2}?"};
        if (random() % 3 == 0) pattern += kQuantifiers[random() % kQuantifiers.size()];
    }
    return pattern;
}

std::string randomWord(std::mt19937& random) {
    static constexpr std::array kLetters{"a", "b", "c", "a", "b", "c", "1", "-", " ", "\t", "é", "漢", "😀", "_", "."};
    std::string word;
    for (std::size_t i = random() % 7; i > 0; --i) word += kLetters[random() % kLetters.size()];
    return word;
}

}  // namespace

TEST_CASE("regex: full matches agree with PCRE2") {
    std::mt19937 random(7);
    int matched = 0;
    for (int round = 0; round < 400; ++round) {
        std::string pattern = randomPattern(random, 2);
        if (random() % 4 == 0) pattern.insert(0, "^(").append(")$");
        INFO(pattern);
        Language language = regex(pattern);
        const Pcre pcre(pattern, kWhole);
        for (int i = 0; i < 60; ++i) {
            const std::string word = randomWord(random);
            INFO(word);
            REQUIRE(language.matches(word) == pcre.matches(word));
            matched += pcre.matches(word) ? 1 : 0;
        }
        for (int i = 0; i < 5; ++i) {
            if (const auto text = language.randomText(random, 200)) {
                INFO(*text);
                REQUIRE(pcre.matches(*text));
            }
        }
    }
    CHECK(matched > 500);
}

TEST_CASE("regex: a search agrees with PCRE2, anchors or not") {
    std::mt19937 random(8);
    for (int round = 0; round < 200; ++round) {
        const std::string inner = randomPattern(random, 1);
        const std::string other = randomPattern(random, 1);
        static constexpr std::array kForms{"X", "^X", "X$", "^(X)$", "^X|Y$", "(^X|Y)a", "a(X$|Y)"};
        std::string pattern;
        for (const char c : std::string(kForms[random() % kForms.size()])) {
            pattern += c == 'X' ? inner : c == 'Y' ? other : std::string(1, c);
        }
        INFO(pattern);
        Language language([&](Grammar& grammar) { return regexSearch(grammar, pattern, Spelling::kPlain); });
        const Pcre pcre(pattern, 0);
        for (int i = 0; i < 60; ++i) {
            const std::string word = randomWord(random);
            INFO(word);
            REQUIRE(language.matches(word) == pcre.matches(word));
        }
    }
}

TEST_CASE("regex: characters end at their last byte") {
    Language any = regex(".");
    for (const char* text : {"a", "é", "漢", "😀", "\x7F", "\u0080", "\uFFFF", "\U0010FFFF"}) CHECK(any.matches(text));
    for (const char* text : {"", "ab", "\n", "\r", "\u2028", "\xC3", "\xE6\xBC", "\xF0\x9F\x98", "\x80", "\xC0\xAF",
                             "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
        CHECK_FALSE(any.matches(text));
    }
    CHECK(any.isPrefix("\xE6\xBC"));
    CHECK_FALSE(any.isPrefix("\xE6\x28"));
    Language range = regex("[\\u0081-\\u07fe\\u{10081}-\\u{107ff}]");
    CHECK(range.matches("\u0081"));
    CHECK(range.matches("\u07FE"));
    CHECK_FALSE(range.matches("\u0080"));
    CHECK_FALSE(range.matches("\u07FF"));
    CHECK(range.matches("\U00010081"));
    CHECK_FALSE(range.matches("\U00010800"));
    CHECK(regex("\\ud83d\\ude00").matches("😀"));
    CHECK(regex("(?<name>a)(?P<other>b)(?:c)").matches("abc"));
}

TEST_CASE("regex: many repetitions and empty loops") {
    Language counted = regex("(ab|[c-e]x){1000}");
    std::string text;
    for (int i = 0; i < 1000; ++i) text += i % 2 == 0 ? "ab" : "dx";
    CHECK(counted.matches(text));
    CHECK_FALSE(counted.matches(text.substr(2)));
    CHECK_FALSE(counted.isPrefix(text + "ab"));
    Language nested = regex("((a?)*b*)*");
    CHECK(nested.matches(""));
    CHECK(nested.matches("abbaab"));
    Language exponential = regex("(a|b)*a(a|b){40}");  // 2^40 states, if they were all made
    CHECK(exponential.matches("bba" + std::string(40, 'b')));
    CHECK_FALSE(exponential.matches("bbb" + std::string(40, 'b')));
}

TEST_CASE("regex: what is not supported is refused with its place") {
    struct Case {
        const char* pattern;
        const char* message;
    };
    const Case cases[] = {
        {"a(?=b)", "regular expression, at byte 3: look-around is not supported"},
        {"(?<!a)b", "regular expression, at byte 2: look-around is not supported"},
        {"(a)\\1", "regular expression, at byte 4: back-references are not supported"},
        {"\\bword", "regular expression, at byte 1: word boundaries are not supported"},
        {"\\p{L}", "regular expression, at byte 1: Unicode properties are not supported"},
        {"(?i)a", "regular expression, at byte 2: groups that begin with (?i are not supported"},
        {"a++", "regular expression, at byte 2: possessive quantifiers are not supported"},
        {"a**", "regular expression, at byte 2: a quantifier follows a quantifier"},
        {"*a", "regular expression, at byte 0: nothing to repeat"},
        {"(a", "regular expression, at byte 2: missing )"},
        {"a)", "regular expression, at byte 1: unmatched )"},
        {"[a", "regular expression, at byte 2: missing ]"},
        {"[]", "regular expression, at byte 1: an empty class; a ] in a class is written \\]"},
        {"[z-a]", "regular expression, at byte 4: the ends of a range are out of order"},
        {"a{3,2}", "regular expression, at byte 6: the bounds of a quantifier are out of order"},
        {"a{x}",
         "regular expression, at byte 2: expected a number in a quantifier; a { that begins none is written \\{"},
        {"a{200000}", "regular expression, at byte 7: more than 100000 repetitions"},
        {"a\\", "regular expression, at byte 2: a backslash at the end"},
        {"\\ud800", "regular expression, at byte 6: half of a surrogate pair"},
        {"a^b", "regular expression: ^ is supported at the beginning and $ at the end only"},
        {"(^a)*", "regular expression, at byte 4: repeated anchors are not supported"},
        {"\xFF", "regular expression, at byte 0: expected UTF-8"},
        {"[^\\s\\S]", "no answer can have the form that is asked for: its rules contradict each other or never end"},
        {"a{90000}b{90000}c{90000}d{90000}e{90000}",
         "the form of the answer is too large: its automaton has more than 400000 nodes"},
    };
    for (const Case& each : cases) {
        INFO(each.pattern);
        CHECK(refusal([&] { regex(each.pattern); }) == each.message);
    }
}
