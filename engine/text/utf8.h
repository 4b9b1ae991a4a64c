#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace step3::text {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

/// Bytes of the UTF-8 character at the start of `text`: > 0 a whole valid character, 0 a valid beginning that is cut
/// off, < 0 minus the bytes of a maximal invalid part (what one U+FFFD stands for).
int utf8Length(std::string_view text);

/// The text with every invalid part replaced by U+FFFD, as Python's errors="replace" does.
std::string validUtf8(std::string_view bytes);

/// Appends one code point.
void appendUtf8(std::string& out, char32_t codePoint);

}  // namespace step3::text
