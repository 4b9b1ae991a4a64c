#pragma once

// Groups of weights that share a scale; included only by cpu/isa_kernels.cpp.

#include "kernels/cpu/simd_pairs.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

inline std::uint16_t nearestBf16(float value) {
    const auto bits = __builtin_bit_cast(std::uint32_t, value);
    return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}
inline float bf16Value(std::uint16_t bits) {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16U);
}

/// Sums over a group for a scale with inverse `inverse`: q*q and x*q of its codes q in [low, high].
struct GroupFit {
    float codesSquared = 0;
    float product = 0;
};
inline GroupFit fitGroup(const float* x, Index count, float inverse, float low, float high) {
    Vec squares = zero();
    Vec products = zero();
    for (Index i = 0; i < count; i += kWidth) {
        const Vec v = load(x + i);
        const Vec code = min(max(nearest(mul(v, set1(inverse))), set1(low)), set1(high));
        squares = fma(code, code, squares);
        products = fma(code, v, products);
    }
    return {reduceAdd(squares), reduceAdd(products)};
}

inline std::uint16_t encodeGroup(const float* x, Index count, float scale, int offset, float low, float high,
                                 std::uint8_t* codes) {
    const std::uint16_t bits = nearestBf16(scale);
    const float stored = bf16Value(bits);
    const float inverse = stored == 0.0F ? 0.0F : 1.0F / stored;
    for (Index from = 0; from < count; from += kGroupValues) {
        alignas(64) float rounded[kGroupValues];
        for (Index i = 0; i < kGroupValues; i += kWidth) {
            store(rounded + i, min(max(nearest(mul(load(x + from + i), set1(inverse))), set1(low)), set1(high)));
        }
        for (Index i = 0; i < kGroupValues; ++i) {
            codes[from + i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(rounded[i]) + offset);
        }
    }
    return bits;
}

inline float largestMagnitude(const float* x, Index count, bool* negative) {
    float largest = 0;
    for (Index i = 0; i < count; ++i) {
        const float magnitude = x[i] < 0 ? -x[i] : x[i];
        if (magnitude > largest) {
            largest = magnitude;
            *negative = x[i] < 0;
        }
    }
    return largest;
}

/// Codes with offset 128; the largest value becomes 127. Returns the scale as BF16.
std::uint16_t quantiseInt8(const float* x, Index count, std::uint8_t* codes) {
    bool negative = false;
    return encodeGroup(x, count, largestMagnitude(x, count, &negative) / 127.0F, 128, -127.0F, 127.0F, codes);
}

/// Codes with offset 8. The largest value becomes -8, the one code without a counterpart, so the scale has the opposite
/// sign; scales around that are tried, each moved to its least-squares optimum, and the best one is kept.
std::uint16_t quantiseInt4(const float* x, Index count, std::uint8_t* codes) {
    bool negative = false;
    const float largest = largestMagnitude(x, count, &negative);
    const float signedLargest = negative ? -largest : largest;
    float best = 0;
    float bestGain = 0;  // how much of sum(x*x) the codes explain: product^2 / codesSquared
    for (const float divisor : {-8.0F, -7.25F, -6.5F, -8.75F}) {
        if (largest == 0.0F) break;
        const float scale = signedLargest / divisor;
        const GroupFit fit = fitGroup(x, count, 1.0F / scale, -8.0F, 7.0F);
        if (fit.codesSquared <= 0.0F) continue;
        const float gain = fit.product * fit.product / fit.codesSquared;
        if (gain > bestGain) {
            bestGain = gain;
            best = fit.product / fit.codesSquared;
        }
    }
    return encodeGroup(x, count, best, 8, -8.0F, 7.0F, codes);
}

void widenGroups(DType dtype, const void* row, const std::uint16_t* scales, Index k, Index group, float* out) {
    const auto* codes = static_cast<const unsigned char*>(row);
    for (Index from = 0; from < k; from += group, ++scales) {
        const Index count = group < k - from ? group : k - from;
        const float scale = bf16Value(*scales);
        float* to = out + from;
        if (dtype == DType::kInt8Group) {
            for (Index i = 0; i < count; ++i) to[i] = scale * static_cast<float>(codes[from + i] - 128);
            continue;
        }
        const unsigned char* bytes = codes + from / 2;
        for (Index i = 0; i < count / 2; ++i) {
            to[2 * i] = scale * static_cast<float>((bytes[i] & 15) - 8);
            to[2 * i + 1] = scale * static_cast<float>((bytes[i] >> 4) - 8);
        }
        if (count % 2 != 0) to[count - 1] = scale * static_cast<float>((bytes[count / 2] & 15) - 8);
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
