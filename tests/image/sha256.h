#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace step3::test {

/// SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.
std::string sha256(std::span<const std::uint8_t> data);

}  // namespace step3::test
