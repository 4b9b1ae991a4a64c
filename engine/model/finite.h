#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kernels/cpu/dtype.h"

namespace step3::model {

// Checks of stored numbers. Each throws Error kInvalidData: `place` ("FILE: tensor NAME"), what was expected, and the
// value found with its position in the tensor; the span begins at position `first`.

/// F32, F16 or BF16 numbers: finite.
void checkFloats(std::span<const std::byte> bytes, kernels::DType dtype, const std::string& place);
/// True if an E4M3 code is NaN.
bool hasNanCode(std::span<const std::byte> codes);
/// E4M3 codes: no NaN.
void checkCodes(std::span<const std::byte> codes, const std::string& place, std::uint64_t first = 0);
/// Block scales: finite and at least 0.
void checkBlockScales(std::span<const float> scales, const std::string& place, std::uint64_t first = 0);
/// BF16 scales of groups: finite.
void checkGroupScales(std::span<const std::uint16_t> scales, const std::string& place, std::uint64_t first = 0);

}  // namespace step3::model
