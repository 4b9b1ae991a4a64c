#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/cpu/dtype.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels {

// Widening of stored numbers to float32, exact for every code. These are the plain versions; the vector versions are
// tested against them.

inline float bf16ToFloat(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

inline float f16ToFloat(std::uint16_t bits) {
    const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
    const int exponent = (bits >> 10U) & 0x1F;
    const auto mantissa = static_cast<float>(bits & 0x3FFU);
    if (exponent == 31) {
        return mantissa == 0.0F ? sign * std::numeric_limits<float>::infinity()
                                : std::numeric_limits<float>::quiet_NaN();
    }
    if (exponent == 0) return sign * std::ldexp(mantissa, -24);
    return sign * std::ldexp(1024.0F + mantissa, exponent - 25);
}

/// float8_e4m3fn: bias 7, no infinity, NaN = 0x7F and 0xFF, subnormals m * 2^-9 (spec step3-model section 4).
inline float e4m3ToFloat(std::uint8_t bits) {
    const float sign = (bits & 0x80U) != 0 ? -1.0F : 1.0F;
    const int exponent = (bits >> 3U) & 0xF;
    const auto mantissa = static_cast<float>(bits & 7U);
    if (exponent == 15 && mantissa == 7.0F) return std::numeric_limits<float>::quiet_NaN();
    if (exponent == 0) return sign * std::ldexp(mantissa, -9);
    return sign * std::ldexp(8.0F + mantissa, exponent - 10);
}

/// Nearest e4m3 code, ties to even; magnitudes beyond 448 become 448.
inline std::uint8_t floatToE4m3(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint8_t>((bits >> 24U) & 0x80U);
    const float magnitude = std::min(std::abs(value), 448.0F);
    if (magnitude < 0x1p-6F) {  // subnormal codes are multiples of 2^-9; rounding may reach the first normal one
        return sign | static_cast<std::uint8_t>(std::nearbyint(magnitude * 512.0F));
    }
    auto code = std::bit_cast<std::uint32_t>(magnitude);
    code += 0x7FFFFU + ((code >> 20U) & 1U);  // to three bits of mantissa
    return sign | static_cast<std::uint8_t>((code >> 20U) - (120U << 3U));
}

/// Element `index` of an array in one of the float formats.
inline float toFloat(const void* data, DType dtype, std::int64_t index) {
    const auto* bytes =
        static_cast<const unsigned char*>(data) + index * static_cast<std::int64_t>(bytesPerElement(dtype));
    float f32 = 0;
    std::uint16_t u16 = 0;
    switch (dtype) {
        case DType::kF32: std::memcpy(&f32, bytes, sizeof f32); return f32;
        case DType::kF16: std::memcpy(&u16, bytes, sizeof u16); return f16ToFloat(u16);
        case DType::kBF16: std::memcpy(&u16, bytes, sizeof u16); return bf16ToFloat(u16);
        case DType::kE4M3: return e4m3ToFloat(*bytes);
        default: return std::numeric_limits<float>::quiet_NaN();
    }
}

/// Row `row` of W[n, k] in any layout, widened to out[k], scales applied.
inline void widenRow(const WeightView& w, std::int64_t row, float* out) {
    if (w.layout == Layout::kPanels) return unpackRow(w, row, out);
    if (isGroupFormat(w.dtype)) {
        const auto* codes = static_cast<const unsigned char*>(w.data) + row * rowBytes(w.dtype, w.k);
        for (std::int64_t i = 0; i < w.k; ++i) {
            const int code = w.dtype == DType::kInt8Group ? codes[i] - 128 : ((codes[i / 2] >> (i % 2 * 4)) & 15) - 8;
            out[i] = bf16ToFloat(w.groupScales[row * w.scaleStride + i / w.blockK]) * static_cast<float>(code);
        }
        return;
    }
    for (std::int64_t i = 0; i < w.k; ++i) {
        out[i] = toFloat(w.data, w.dtype, row * w.k + i);
        if (w.scaleInv != nullptr) out[i] *= w.scaleInv[(row / w.blockN) * w.scaleStride + i / w.blockK];
    }
}

}  // namespace step3::kernels
