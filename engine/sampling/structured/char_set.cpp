#include "engine/sampling/structured/char_set.h"

#include <algorithm>
#include <array>

#include "engine/utf8.h"

namespace step3::sampling::structured {

namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

/// Appends the byte sequences of the code points low..high, which have the same length in UTF-8. A range whose tails
/// are not full is cut where they become so (e.g. U+0081..U+07FF is C2 81..BF and C3..DF 80..BF).
void appendUtf8Ranges(Grammar& grammar, char32_t low, char32_t high, std::vector<Grammar::Expr>& out) {
    std::string first, last;
    appendUtf8(first, low);
    appendUtf8(last, high);
    for (std::size_t tail = 1; tail < first.size(); ++tail) {
        const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
        if ((low & ~mask) == (high & ~mask)) continue;
        if ((low & mask) != 0) {
            appendUtf8Ranges(grammar, low, low | mask, out);
            appendUtf8Ranges(grammar, (low | mask) + 1, high, out);
            return;
        }
        if ((high & mask) != mask) {
            appendUtf8Ranges(grammar, low, (high & ~mask) - 1, out);
            appendUtf8Ranges(grammar, high & ~mask, high, out);
            return;
        }
    }
    std::vector<Grammar::Expr> bytes;
    for (std::size_t i = 0; i < first.size(); ++i) {
        bytes.push_back(grammar.oneOf({{static_cast<unsigned char>(first[i]), static_cast<unsigned char>(last[i])}}));
    }
    out.push_back(grammar.sequence(std::move(bytes)));
}

Grammar::Expr utf8(Grammar& grammar, const CharSet& set) {
    std::vector<Grammar::Expr> alternatives;
    std::vector<SymbolRange> ascii;
    constexpr std::array<CharSet::Range, 4> kLengths{{{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, kLast}}};
    for (const CharSet::Range& range : set.ranges()) {
        for (std::size_t i = 0; i < kLengths.size(); ++i) {
            const char32_t low = std::max(range.low, kLengths[i].low);
            const char32_t high = std::min(range.high, kLengths[i].high);
            if (low > high) continue;
            if (i == 0) {
                ascii.push_back({static_cast<Symbol>(low), static_cast<Symbol>(high)});
            } else {
                appendUtf8Ranges(grammar, low, high, alternatives);
            }
        }
    }
    if (!ascii.empty()) alternatives.push_back(grammar.oneOf(std::move(ascii)));
    return grammar.choice(std::move(alternatives));
}

}  // namespace

CharSet::CharSet(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
    for (const Range& range : ranges) {
        const auto add = [&](char32_t low, char32_t high) {
            if (low > high) return;
            if (!ranges_.empty() && low <= ranges_.back().high + 1) {
                ranges_.back().high = std::max(ranges_.back().high, high);
            } else {
                ranges_.push_back({low, high});
            }
        };
        add(range.low, std::min<char32_t>(range.high, kFirstSurrogate - 1));
        add(std::max<char32_t>(range.low, kLastSurrogate + 1), std::min(range.high, kLast));
    }
}

CharSet CharSet::all() {
    return CharSet({{0, kLast}});
}

bool CharSet::contains(char32_t character) const {
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [&](const Range& range) { return range.low <= character && character <= range.high; });
}

CharSet CharSet::unite(const CharSet& other) const {
    std::vector<Range> both = ranges_;
    both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
    return CharSet(std::move(both));
}

CharSet CharSet::complement() const {
    std::vector<Range> gaps;
    char32_t next = 0;
    for (const Range& range : ranges_) {
        if (range.low > next) gaps.push_back({next, range.low - 1});
        next = range.high + 1;
    }
    if (next <= kLast) gaps.push_back({next, kLast});
    return CharSet(std::move(gaps));
}

CharSet CharSet::intersect(const CharSet& other) const {
    return complement().unite(other.complement()).complement();
}

Grammar::Expr spell(Grammar& grammar, const CharSet& set, Spelling spelling) {
    if (spelling == Spelling::kPlain) return utf8(grammar, set);
    if (spelling == Spelling::kTagText) return utf8(grammar, set.without(CharSet::of('<')));
    const CharSet escaped({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
    std::vector<Grammar::Expr> alternatives;
    if (const CharSet plain = set.without(escaped); !plain.empty()) alternatives.push_back(utf8(grammar, plain));
    const CharSet toEscape = set.intersect(escaped);
    for (const CharSet::Range& range : toEscape.ranges()) {
        for (char32_t c = range.low; c <= range.high; ++c) {
            constexpr std::string_view kShort = "\b\f\n\r\t\"\\";
            constexpr std::string_view kLetters = "bfnrt\"\\";
            constexpr std::string_view kHex = "0123456789abcdef";
            const std::size_t at = kShort.find(static_cast<char>(c));
            alternatives.push_back(grammar.text(at != std::string_view::npos
                                                    ? std::string{'\\', kLetters[at]}
                                                    : std::string("\\u00") + kHex[c / 16] + kHex[c % 16]));
        }
    }
    return grammar.choice(std::move(alternatives));
}

std::optional<int> hexDigit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return std::nullopt;
}

}  // namespace step3::sampling::structured
