#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace step3 {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

/// Bytes of the UTF-8 character at the start of `text`: > 0 a whole valid character, 0 a valid beginning that is cut
/// off, < 0 minus the bytes of a maximal invalid part (what one U+FFFD stands for).
int utf8Length(std::string_view text);

struct CodePoint {
    char32_t value;
    int length;  // bytes
};

/// The code point at the start of valid UTF-8.
inline CodePoint codePointAt(const char* text) {
    const auto byte = [text](int i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
    const char32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
    if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
    return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

/// The text with every invalid part replaced by U+FFFD, as Python's errors="replace" does.
std::string validUtf8(std::string_view bytes);

/// Characters of valid UTF-8.
std::size_t characterCount(std::string_view text);

/// Takes the character at the start of `text` off; nothing, and `text` as it was, if there is none or it is invalid.
std::optional<char32_t> takeCodePoint(std::string_view& text);

/// Appends one code point.
void appendUtf8(std::string& out, char32_t codePoint);

}  // namespace step3
