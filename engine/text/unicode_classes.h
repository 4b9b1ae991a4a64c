#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace step3::text {

/// General categories that pre-tokenizer patterns ask for, as bits. The table is that of the engine inside Hugging
/// Face's tokenizers, which knows a newer Unicode than the regular expressions of the system.
enum UnicodeClass : std::uint8_t {
    kLetter = 1,       // \p{L}
    kMark = 2,         // \p{M}
    kNumber = 4,       // \p{N}
    kPunctuation = 8,  // \p{P}
    kSymbol = 16,      // \p{S}
    kSpace = 32,       // \s
    kLineBreak = 64,   // \r \n
    kHanOrKana = 128,  // [一-龥\u3040-ゟ゠-ヿ], the second pattern of the DeepSeek-V3 pre-tokenizer
};

/// Classes by code point, in two stages: pages of 256 code points, equal ones shared.
class UnicodeClasses {
public:
    static const UnicodeClasses& instance();
    /// The classes of one code point below 0x110000.
    [[nodiscard]] std::uint8_t of(std::uint32_t codePoint) const {
        return pages_[static_cast<std::size_t>(page_[codePoint >> 8]) << 8 | (codePoint & 0xFF)];
    }

private:
    UnicodeClasses();

    std::array<std::uint16_t, 0x1100> page_{};
    std::vector<std::uint8_t> pages_;
};

}  // namespace step3::text
