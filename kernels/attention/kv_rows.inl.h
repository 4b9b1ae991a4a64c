#pragma once

// Stored rows of K and V widened to float32; included only by cpu/isa_kernels.cpp.
//
// widen(row, dim, from, count, out) writes numbers [from, from + count) of a row; `from` is a multiple of a group, and
// `out` has room for whole groups. It writes them in the order of the format's Numbers (attend_tiles.inl.h), in which
// kDirect formats can also be read in place; arrange and restore bring a block of float32 into that order and back.

#include "kernels/attention/attend_tiles.inl.h"
#include "kernels/attention/kv_format.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

constexpr Index kVecsOfGroup = kKvGroup / kWidth;

inline Vec bf16Vec(const char* p) {
    return set1(__builtin_bit_cast(float, loadU16(p) << 16U));
}

// kWidth unsigned bytes, and the 32 four-bit codes of 16 bytes, as float32.
#if defined(__AVX512F__)
inline Vec widenU8(const char* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline void widenU4(const char* p, Vec* out) {
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_set1_epi8(15);
    out[0] = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(both, low)));
    out[1] = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(both, 4), low)));
}
#elif defined(__AVX2__)
inline Vec widenU8(const char* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void widenU4(const char* p, Vec* out) {
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i mask = _mm_set1_epi8(15);
    const __m128i low = _mm_and_si128(both, mask);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(both, 4), mask);
    out[0] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(low));
    out[1] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(low, low)));
    out[2] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(high));
    out[3] = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(high, high)));
}
#elif defined(STEP3_NEON)
inline void widenBytes(uint8x16_t bytes, Vec* out) {
    const uint16x8_t low = vmovl_u8(vget_low_u8(bytes));
    const uint16x8_t high = vmovl_high_u8(bytes);
    out[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(low)));
    out[1] = vcvtq_f32_u32(vmovl_high_u16(low));
    out[2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(high)));
    out[3] = vcvtq_f32_u32(vmovl_high_u16(high));
}
inline Vec widenU8(const char* p) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(loadBytes(p, 4)))));
}
inline void widenU4(const char* p, Vec* out) {
    const uint8x16_t both = vld1q_u8(reinterpret_cast<const std::uint8_t*>(p));
    widenBytes(vandq_u8(both, vdupq_n_u8(15)), out);
    widenBytes(vshrq_n_u8(both, 4), out + 4);
}
#else
inline Vec widenU8(const char* p) {
    Vec a = zero();
    for (Index i = 0; i < kWidth; ++i) a[i] = static_cast<unsigned char>(p[i]);
    return a;
}
inline void widenU4(const char* p, Vec* out) {
    for (Index i = 0; i < kKvGroup; ++i) {
        const unsigned both = static_cast<unsigned char>(p[i % (kKvGroup / 2)]);
        out[i / kWidth][i % kWidth] = static_cast<float>(i < kKvGroup / 2 ? both & 15U : both >> 4U);
    }
}
#endif

/// Numbers without scales, or with one for the whole row.
template <typename Format>
inline void widenNumbers(const char* numbers, Index count, Vec factor, float* out) {
    Index i = 0;
    for (; i + kWidth <= count; i += kWidth) {
        Vec v = Format::load(numbers + i * Format::kBytes);
        if constexpr (Format::kScaled) v = mul(v, factor);
        store(out + i, v);
    }
    if (i < count) store(out + i, mul(Format::loadPart(numbers + i * Format::kBytes, count - i), factor));
}

/// Formats whose numbers stay in their order.
struct KvInOrder {
    using Numbers = WideNumbers;
    static constexpr bool kDirect = false;
    static void arrange(float* /*block*/) {}
    static void restore(float* /*block*/) {}
};

struct KvF32 : KvInOrder {
    static constexpr bool kDirect = true;
    static constexpr Index rowBytes(Index dim) { return kvRowBytes(KvFormat::kF32, dim); }
    static void widen(const char* row, Index /*dim*/, Index from, Index count, float* out) {
        widenNumbers<F32Format>(row + 4 * from, count, set1(1.0F), out);
    }
};

struct KvBf16 {
    using Numbers = PairNumbers;
    static constexpr bool kDirect = true;
    static constexpr Index rowBytes(Index dim) { return kvRowBytes(KvFormat::kBf16, dim); }
    /// A block in the order of pairs, and back.
    static void arrange(float* block) {
        float pairs[kBlock];
        __builtin_memcpy(pairs, block, sizeof pairs);
        for (Index i = 0; i < kWidth; ++i) block[i] = pairs[2 * i];
        for (Index i = 0; i < kWidth; ++i) block[kWidth + i] = pairs[2 * i + 1];
    }
    static void restore(float* block) {
        float halves[kBlock];
        __builtin_memcpy(halves, block, sizeof halves);
        for (Index i = 0; i < kWidth; ++i) {
            block[2 * i] = halves[i];
            block[2 * i + 1] = halves[kWidth + i];
        }
    }
    static void widen(const char* row, Index /*dim*/, Index from, Index count, float* out) {
        const char* numbers = row + 2 * from;
        Index i = 0;
        for (; i + kBlock <= count; i += kBlock) {
            store(out + i, PairNumbers::first(numbers + 2 * i));
            store(out + i + kWidth, PairNumbers::second(numbers + 2 * i));
        }
        if (i < count) {
            for (Index j = i; j < i + kBlock; ++j) {
                out[j] = j < count ? __builtin_bit_cast(float, loadU16(numbers + 2 * j) << 16U) : 0.0F;
            }
            arrange(out + i);
        }
    }
};

struct KvFp8 : KvInOrder {
    static constexpr Index rowBytes(Index dim) { return kvRowBytes(KvFormat::kFp8, dim); }
    static void widen(const char* row, Index dim, Index from, Index count, float* out) {
        float scale = 0;
        __builtin_memcpy(&scale, row + dim, sizeof scale);
        widenNumbers<E4m3Format>(row + from, count, set1(scale * E4m3Format::kFactor), out);
    }
};

struct KvInt8 : KvInOrder {
    static constexpr Index rowBytes(Index dim) { return kvRowBytes(KvFormat::kInt8, dim); }
    static void widen(const char* row, Index dim, Index from, Index count, float* out) {
        const Index groups = (dim + kKvGroup - 1) / kKvGroup;
        const char* scales = row + groups * kKvGroup;
        for (Index i = 0; i < count; i += kKvGroup) {
            const Vec scale = bf16Vec(scales + (from + i) / kKvGroup * 2);
            const Vec zeroPoint = mul(scale, set1(-128.0F));
            for (Index j = 0; j < kKvGroup; j += kWidth) {
                store(out + i + j, fma(widenU8(row + from + i + j), scale, zeroPoint));
            }
        }
    }
};

struct KvInt4 : KvInOrder {
    static constexpr Index rowBytes(Index dim) { return kvRowBytes(KvFormat::kInt4, dim); }
    static void widen(const char* row, Index dim, Index from, Index count, float* out) {
        const Index groups = (dim + kKvGroup - 1) / kKvGroup;
        const char* scales = row + groups * (kKvGroup / 2);
        for (Index i = 0; i < count; i += kKvGroup) {
            const Vec scale = bf16Vec(scales + (from + i) / kKvGroup * 2);
            const Vec zeroPoint = mul(scale, set1(-8.0F));
            Vec codes[kVecsOfGroup];
            widenU4(row + (from + i) / 2, codes);
            for (Index j = 0; j < kVecsOfGroup; ++j) store(out + i + j * kWidth, fma(codes[j], scale, zeroPoint));
        }
    }
};

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
