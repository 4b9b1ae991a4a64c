#pragma once

#include <cstdint>

namespace step3::sampling::structured {

/// The alphabet of all grammars: 0..255 are bytes; the numbers after them stand for one markup token each
/// (text::kMarkupNames), which a model writes as a whole and never spells out.
using Symbol = std::uint16_t;

inline constexpr Symbol kFirstMarkup = 256;

/// `low` to `high`, both included.
struct SymbolRange {
    Symbol low = 0;
    Symbol high = 0;
    bool operator==(const SymbolRange&) const = default;
};

}  // namespace step3::sampling::structured
