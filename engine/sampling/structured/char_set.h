#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// A set of Unicode code points, surrogates excluded: sorted ranges that neither overlap nor touch.
class CharSet {
public:
    struct Range {
        char32_t low = 0, high = 0;  // both included
        bool operator==(const Range&) const = default;
    };
    CharSet() = default;
    explicit CharSet(std::vector<Range> ranges);
    static CharSet all();
    static CharSet of(char32_t character) { return CharSet({{character, character}}); }

    [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }
    [[nodiscard]] bool empty() const { return ranges_.empty(); }
    [[nodiscard]] bool contains(char32_t character) const;
    [[nodiscard]] CharSet unite(const CharSet& other) const;
    [[nodiscard]] CharSet complement() const;
    [[nodiscard]] CharSet intersect(const CharSet& other) const;
    [[nodiscard]] CharSet without(const CharSet& other) const { return intersect(other.complement()); }

private:
    std::vector<Range> ranges_;
};

/// How a character of a text is written.
enum class Spelling {
    kPlain,       // as UTF-8
    kJsonString,  // as inside a JSON string: quote, backslash and control characters escaped, in their shortest form
    kTagText      // as between two tags: UTF-8, and never a <
};

/// One character of the set.
Grammar::Expr spell(Grammar& grammar, const CharSet& set, Spelling spelling);

/// Value of a hexadecimal digit.
std::optional<int> hexDigit(char digit);

}  // namespace step3::sampling::structured
