#pragma once

#include <string_view>
#include <vector>

#include "engine/sampling/structured/char_set.h"

namespace step3::sampling::structured {

/// A regular expression, read. The supported subset of ECMAScript's and Python's notation, in which both agree:
/// - characters; `.` (anything but a line end: \n, \r, U+2028, U+2029); classes [a-z] and [^a-z]
/// - escapes \d \D \w \W \s \S (ASCII), \t \n \r \f \v \0, \xHH, \uHHHH, \u{H...}, \cX, \b in classes, and any
///   punctuation character
/// - groups (...), (?:...), (?<name>...), (?P<name>...); alternatives a|b
/// - quantifiers * + ? {m} {m,} {m,n}, also lazy (`*?`: the same texts match)
/// - ^ or \A at the beginning and $ or \Z at the end of the expression or of its alternatives
/// Look-around, back-references, word boundaries, \p{...}, flags, atomic groups and possessive quantifiers are refused.
struct RegexNode {
    enum class Kind { kSet, kSequence, kChoice, kRepeat, kBegin, kEnd };
    Kind kind = Kind::kSequence;
    CharSet set;                      // kSet
    std::vector<RegexNode> children;  // kSequence, kChoice; kRepeat: one
    std::uint32_t min = 0, max = 0;   // kRepeat
    bool anchored = false;            // kBegin or kEnd are somewhere in it
};

/// Throws Error kInvalidArgument saying what is wrong or not supported, and at which byte.
RegexNode parseRegex(std::string_view pattern);

}  // namespace step3::sampling::structured
