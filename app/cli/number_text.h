#pragma once

#include <cstdint>
#include <string>

namespace step3::cli {

/// Three digits and a unit, powers of 1000: "8.27 MB", "642 GB".
std::string bytesText(std::uint64_t bytes);
/// The same for counts: "4.11 M", "321 B".
std::string countText(std::uint64_t count);
/// `digits` significant digits, without an exponent where the number is of an everyday size.
std::string numberText(double value, int digits = 3);

}  // namespace step3::cli
