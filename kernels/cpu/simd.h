#pragma once

// One vector of float32 for the instruction set this translation unit is compiled for, under one set of names. Included
// only by cpu/isa_kernels.cpp: everything has internal linkage, and no function of the standard library is instantiated
// here, because the linker would keep one copy for the whole program, possibly one that needs a stronger CPU.

#include <cstdint>

#include "kernels/cpu/dtype.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(STEP3_NEON)  // every AArch64 CPU has it, so the compiler's own macro does not tell which version this is
#include <arm_neon.h>
#endif

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

using Index = std::int64_t;

inline std::uint32_t loadU16(const void* p) {
    std::uint16_t bits = 0;
    __builtin_memcpy(&bits, p, sizeof bits);
    return bits;
}

#if defined(__AVX512F__)

inline constexpr Index kWidth = 16;
inline constexpr int kTileRows = 6;  // 6 x 4 accumulators of 32 registers
using Vec = __m512;

inline __mmask16 firstLanes(Index n) {
    return static_cast<__mmask16>((1U << static_cast<unsigned>(n)) - 1U);
}
inline Vec zero() {
    return _mm512_setzero_ps();
}
inline Vec set1(float a) {
    return _mm512_set1_ps(a);
}
inline Vec load(const float* p) {
    return _mm512_loadu_ps(p);
}
inline Vec loadPart(const float* p, Index n) {
    return _mm512_maskz_loadu_ps(firstLanes(n), p);
}
inline void store(float* p, Vec a) {
    _mm512_storeu_ps(p, a);
}
inline void storePart(float* p, Vec a, Index n) {
    _mm512_mask_storeu_ps(p, firstLanes(n), a);
}
inline Vec add(Vec a, Vec b) {
    return _mm512_add_ps(a, b);
}
inline Vec sub(Vec a, Vec b) {
    return _mm512_sub_ps(a, b);
}
inline Vec mul(Vec a, Vec b) {
    return _mm512_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
    return _mm512_div_ps(a, b);
}
inline Vec max(Vec a, Vec b) {
    return _mm512_max_ps(a, b);
}
inline Vec min(Vec a, Vec b) {
    return _mm512_min_ps(a, b);
}
inline Vec fma(Vec a, Vec b, Vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
inline Vec nearest(Vec a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// a * 2^n for integral n in -126 .. 127
inline Vec scaleByPowerOfTwo(Vec a, Vec n) {
    return _mm512_scalef_ps(a, n);
}
/// a where x >= limit, else 0
inline Vec keepIfAtLeast(Vec a, Vec x, Vec limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_GE_OQ), a);
}
/// a in the first n lanes, b in the others
inline Vec firstOr(Vec a, Index n, Vec b) {
    return _mm512_mask_mov_ps(b, firstLanes(n), a);
}

inline __m256 halves(Vec a) {
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

inline Vec widenBf16(const void* p) {
    const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline Vec widenBf16Part(const void* p, Index n) {
    const __m256i bits = _mm256_maskz_loadu_epi16(firstLanes(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline Vec widenF16(const void* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline Vec widenF16Part(const void* p, Index n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(firstLanes(n), p));
}

/// E4M3 as F16 of 2^-8 the value: sign, a zero, the four exponent and three mantissa bits. Exact for subnormals, and no
/// subnormal float32 arises.
inline Vec widenE4m3Bits(__m128i bytes) {
    __m256i bits = _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
    bits = _mm256_and_si256(_mm256_srai_epi16(bits, 1), _mm256_set1_epi16(static_cast<short>(0xBFFF)));
    return _mm512_cvtph_ps(bits);
}
inline Vec widenE4m3(const void* p) {
    return widenE4m3Bits(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline Vec widenE4m3Part(const void* p, Index n) {
    return widenE4m3Bits(_mm_maskz_loadu_epi8(firstLanes(n), p));
}

#elif defined(__AVX2__)

inline constexpr Index kWidth = 8;
inline constexpr int kTileRows = 3;  // 3 x 4 accumulators of 16 registers
using Vec = __m256;

inline __m256i firstLanes(Index n) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes);
}
inline Vec zero() {
    return _mm256_setzero_ps();
}
inline Vec set1(float a) {
    return _mm256_set1_ps(a);
}
inline Vec load(const float* p) {
    return _mm256_loadu_ps(p);
}
inline Vec loadPart(const float* p, Index n) {
    return _mm256_maskload_ps(p, firstLanes(n));
}
inline void store(float* p, Vec a) {
    _mm256_storeu_ps(p, a);
}
inline void storePart(float* p, Vec a, Index n) {
    _mm256_maskstore_ps(p, firstLanes(n), a);
}
inline Vec add(Vec a, Vec b) {
    return _mm256_add_ps(a, b);
}
inline Vec sub(Vec a, Vec b) {
    return _mm256_sub_ps(a, b);
}
inline Vec mul(Vec a, Vec b) {
    return _mm256_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
    return _mm256_div_ps(a, b);
}
inline Vec max(Vec a, Vec b) {
    return _mm256_max_ps(a, b);
}
inline Vec min(Vec a, Vec b) {
    return _mm256_min_ps(a, b);
}
inline Vec fma(Vec a, Vec b, Vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
inline Vec nearest(Vec a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec scaleByPowerOfTwo(Vec a, Vec n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
inline Vec keepIfAtLeast(Vec a, Vec x, Vec limit) {
    return _mm256_and_ps(a, _mm256_cmp_ps(x, limit, _CMP_GE_OQ));
}
inline Vec firstOr(Vec a, Index n, Vec b) {
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(firstLanes(n)));
}

inline __m256 halves(Vec a) {
    return a;
}

inline Vec widenBf16Bits(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline Vec widenBf16(const void* p) {
    return widenBf16Bits(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline Vec widenF16(const void* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
/// See the AVX-512 version above.
inline Vec widenE4m3Bits(__m128i bytes) {
    __m128i bits = _mm_unpacklo_epi8(_mm_setzero_si128(), bytes);
    bits = _mm_and_si128(_mm_srai_epi16(bits, 1), _mm_set1_epi16(static_cast<short>(0xBFFF)));
    return _mm256_cvtph_ps(bits);
}
inline Vec widenE4m3(const void* p) {
    return widenE4m3Bits(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}

inline __m128i loadBytes(const void* p, Index bytes) {
    alignas(16) unsigned char buffer[16] = {};
    __builtin_memcpy(buffer, p, static_cast<std::size_t>(bytes));
    return _mm_load_si128(reinterpret_cast<const __m128i*>(buffer));
}
inline Vec widenBf16Part(const void* p, Index n) {
    return widenBf16Bits(loadBytes(p, 2 * n));
}
inline Vec widenF16Part(const void* p, Index n) {
    return _mm256_cvtph_ps(loadBytes(p, 2 * n));
}
inline Vec widenE4m3Part(const void* p, Index n) {
    return widenE4m3Bits(loadBytes(p, n));
}

#elif defined(STEP3_NEON)

inline constexpr Index kWidth = 4;
inline constexpr int kTileRows = 6;  // 6 x 4 accumulators of 32 registers
using Vec = float32x4_t;

inline uint32x4_t firstLanes(Index n) {
    const int32x4_t lanes = {0, 1, 2, 3};
    return vcltq_s32(lanes, vdupq_n_s32(static_cast<std::int32_t>(n)));
}
inline Vec zero() {
    return vdupq_n_f32(0.0F);
}
inline Vec set1(float a) {
    return vdupq_n_f32(a);
}
inline Vec load(const float* p) {
    return vld1q_f32(p);
}
inline Vec loadPart(const float* p, Index n) {
    alignas(16) float lanes[4] = {};
    __builtin_memcpy(lanes, p, static_cast<std::size_t>(n) * sizeof(float));
    return vld1q_f32(lanes);
}
inline void store(float* p, Vec a) {
    vst1q_f32(p, a);
}
inline void storePart(float* p, Vec a, Index n) {
    alignas(16) float lanes[4];
    vst1q_f32(lanes, a);
    __builtin_memcpy(p, lanes, static_cast<std::size_t>(n) * sizeof(float));
}
inline Vec add(Vec a, Vec b) {
    return vaddq_f32(a, b);
}
inline Vec sub(Vec a, Vec b) {
    return vsubq_f32(a, b);
}
inline Vec mul(Vec a, Vec b) {
    return vmulq_f32(a, b);
}
inline Vec div(Vec a, Vec b) {
    return vdivq_f32(a, b);
}
inline Vec max(Vec a, Vec b) {
    return vmaxq_f32(a, b);
}
inline Vec min(Vec a, Vec b) {
    return vminq_f32(a, b);
}
inline Vec fma(Vec a, Vec b, Vec c) {
    return vfmaq_f32(c, a, b);
}
inline Vec nearest(Vec a) {
    return vrndnq_f32(a);
}
inline Vec scaleByPowerOfTwo(Vec a, Vec n) {
    const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}
inline Vec keepIfAtLeast(Vec a, Vec x, Vec limit) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vcgeq_f32(x, limit)));
}
inline Vec firstOr(Vec a, Index n, Vec b) {
    return vbslq_f32(firstLanes(n), a, b);
}

/// The first n bytes at p, the others 0.
inline uint8x8_t loadBytes(const void* p, Index bytes) {
    std::uint64_t buffer = 0;
    __builtin_memcpy(&buffer, p, static_cast<std::size_t>(bytes));
    return vcreate_u8(buffer);
}
inline Vec widenBf16Bits(uint8x8_t bits) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(bits), 16));
}
inline Vec widenF16Bits(uint8x8_t bits) {
    return vcvt_f32_f16(vreinterpret_f16_u8(bits));
}
/// See the AVX-512 version above; four codes in the first bytes.
inline Vec widenE4m3Bits(uint8x8_t bytes) {
    const int16x4_t bits = vreinterpret_s16_u8(vzip1_u8(vdup_n_u8(0), bytes));
    const int16x4_t half = vand_s16(vshr_n_s16(bits, 1), vdup_n_s16(static_cast<std::int16_t>(0xBFFF)));
    return vcvt_f32_f16(vreinterpret_f16_s16(half));
}
inline Vec widenBf16(const void* p) {
    return widenBf16Bits(loadBytes(p, 8));
}
inline Vec widenF16(const void* p) {
    return widenF16Bits(loadBytes(p, 8));
}
inline Vec widenE4m3(const void* p) {
    return widenE4m3Bits(loadBytes(p, 4));
}
inline Vec widenBf16Part(const void* p, Index n) {
    return widenBf16Bits(loadBytes(p, 2 * n));
}
inline Vec widenF16Part(const void* p, Index n) {
    return widenF16Bits(loadBytes(p, 2 * n));
}
inline Vec widenE4m3Part(const void* p, Index n) {
    return widenE4m3Bits(loadBytes(p, n));
}

#else

// The compiler's portable vectors: the baseline of any architecture (SSE2 here).
inline constexpr Index kWidth = 4;
inline constexpr int kTileRows = 2;
typedef float Vec __attribute__((vector_size(16)));
typedef std::int32_t IntVec __attribute__((vector_size(16)));

inline Vec zero() {
    return Vec{0, 0, 0, 0};
}
inline Vec set1(float a) {
    return Vec{a, a, a, a};
}
inline Vec load(const float* p) {
    Vec a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline Vec loadPart(const float* p, Index n) {
    Vec a = zero();
    for (Index i = 0; i < n; ++i) a[i] = p[i];
    return a;
}
inline void store(float* p, Vec a) {
    __builtin_memcpy(p, &a, sizeof a);
}
inline void storePart(float* p, Vec a, Index n) {
    for (Index i = 0; i < n; ++i) p[i] = a[i];
}
inline Vec add(Vec a, Vec b) {
    return a + b;
}
inline Vec sub(Vec a, Vec b) {
    return a - b;
}
inline Vec mul(Vec a, Vec b) {
    return a * b;
}
inline Vec div(Vec a, Vec b) {
    return a / b;
}
inline Vec select(IntVec mask, Vec a, Vec b) {
    return (Vec)((mask & (IntVec)a) | (~mask & (IntVec)b));
}
inline Vec max(Vec a, Vec b) {
    return select(a > b, a, b);
}
inline Vec min(Vec a, Vec b) {
    return select(a < b, a, b);
}
inline Vec fma(Vec a, Vec b, Vec c) {
    return a * b + c;
}
/// For |a| < 2^22: adding and taking away 1.5 * 2^23 leaves the nearest integer.
inline Vec nearest(Vec a) {
    const Vec magic = set1(12582912.0F);
    return (a + magic) - magic;
}
inline Vec scaleByPowerOfTwo(Vec a, Vec n) {
    const IntVec exponent = __builtin_convertvector(n, IntVec) + 127;
    return a * (Vec)(exponent << 23);
}
inline Vec keepIfAtLeast(Vec a, Vec x, Vec limit) {
    return (Vec)((IntVec)a & (x >= limit));
}
inline Vec firstOr(Vec a, Index n, Vec b) {
    const IntVec lanes{0, 1, 2, 3};
    return select(lanes < static_cast<std::int32_t>(n), a, b);
}

inline float bitsToFloat(std::uint32_t bits) {
    return __builtin_bit_cast(float, bits);
}
/// F16 through float32 arithmetic: the exponent is moved by 112; the product is exact for subnormals too.
inline float f16ToFloat32(std::uint32_t bits) {
    const std::uint32_t magnitude = (bits & 0x7FFFU) << 13U;
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    if ((bits & 0x7C00U) == 0x7C00U) return bitsToFloat(sign | 0x7F800000U | (magnitude & 0x7FFFFFU));
    return bitsToFloat(sign | __builtin_bit_cast(std::uint32_t, bitsToFloat(magnitude) * 0x1p112F));
}
struct E4m3Table {
    float value[256];  // 2^-8 of each code's value, as the vector versions give
};
constexpr E4m3Table makeE4m3Table() {
    E4m3Table table{};
    for (int code = 0; code < 256; ++code) {
        const int exponent = (code >> 3) & 15;
        float value = static_cast<float>((exponent == 0 ? 0 : 8) + (code & 7)) * 0x1p-17F;
        for (int i = 1; i < exponent; ++i) value *= 2.0F;
        table.value[code] = code < 128 ? value : -value;
    }
    return table;
}
constexpr E4m3Table kE4m3Table = makeE4m3Table();

inline Vec widenBf16Part(const void* p, Index n) {
    Vec a = zero();
    for (Index i = 0; i < n; ++i) a[i] = bitsToFloat(loadU16(static_cast<const char*>(p) + 2 * i) << 16U);
    return a;
}
inline Vec widenF16Part(const void* p, Index n) {
    Vec a = zero();
    for (Index i = 0; i < n; ++i) a[i] = f16ToFloat32(loadU16(static_cast<const char*>(p) + 2 * i));
    return a;
}
inline Vec widenE4m3Part(const void* p, Index n) {
    Vec a = zero();
    for (Index i = 0; i < n; ++i) a[i] = kE4m3Table.value[static_cast<const unsigned char*>(p)[i]];
    return a;
}
inline Vec widenBf16(const void* p) {
    return widenBf16Part(p, kWidth);
}
inline Vec widenF16(const void* p) {
    return widenF16Part(p, kWidth);
}
inline Vec widenE4m3(const void* p) {
    return widenE4m3Part(p, kWidth);
}

#endif

// What all sets share.

#if defined(__AVX2__)
inline float reduceAdd(Vec a) {
    const __m256 half = halves(a);
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}
/// The four sums of the lanes of a, b, c, d.
inline void reduceAdd4(Vec a, Vec b, Vec c, Vec d, float* out) {
    const __m256 ab = _mm256_hadd_ps(halves(a), halves(b));
    const __m256 cd = _mm256_hadd_ps(halves(c), halves(d));
    const __m256 abcd = _mm256_hadd_ps(ab, cd);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}
#elif defined(STEP3_NEON)
inline float reduceAdd(Vec a) {
    return vaddvq_f32(a);
}
inline void reduceAdd4(Vec a, Vec b, Vec c, Vec d, float* out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}
#else
inline float reduceAdd(Vec a) {
    return (a[0] + a[2]) + (a[1] + a[3]);
}
inline void reduceAdd4(Vec a, Vec b, Vec c, Vec d, float* out) {
    out[0] = reduceAdd(a);
    out[1] = reduceAdd(b);
    out[2] = reduceAdd(c);
    out[3] = reduceAdd(d);
}
#endif

inline float reduceMax(Vec a) {
    alignas(64) float lanes[kWidth];
    store(lanes, a);
    float best = lanes[0];
    for (Index i = 1; i < kWidth; ++i) best = lanes[i] > best ? lanes[i] : best;
    return best;
}

/// e^x with an error of about 2 units in the last place; 0 below -87.3, saturated above 88.
inline Vec exp(Vec x) {
    const Vec lowest = set1(-87.3F);
    const Vec clamped = min(max(x, lowest), set1(88.0F));
    const Vec n = nearest(mul(clamped, set1(1.44269504088896341F)));
    // ln 2 in two parts, so that the remainder keeps its low bits.
    Vec r = fma(n, set1(-0.693359375F), clamped);
    r = fma(n, set1(2.12194440e-4F), r);
    Vec p = set1(1.9875691500e-4F);
    p = fma(p, r, set1(1.3981999507e-3F));
    p = fma(p, r, set1(8.3334519073e-3F));
    p = fma(p, r, set1(4.1665795894e-2F));
    p = fma(p, r, set1(1.6666665459e-1F));
    p = fma(p, r, set1(5.0000001201e-1F));
    p = add(fma(mul(r, r), p, r), set1(1.0F));
    return keepIfAtLeast(scaleByPowerOfTwo(p, n), x, lowest);
}

// Stored number formats: how to load kWidth (or fewer) of them as float32. kFactor is folded into the block scale.
struct F32Format {
    static constexpr bool kScaled = false;
    static constexpr float kFactor = 1.0F;
    static constexpr Index kBytes = 4;
    static Vec load(const char* p) { return STEP3_ISA_NAMESPACE::load(reinterpret_cast<const float*>(p)); }
    static Vec loadPart(const char* p, Index n) {
        return STEP3_ISA_NAMESPACE::loadPart(reinterpret_cast<const float*>(p), n);
    }
};
struct Bf16Format {
    static constexpr bool kScaled = false;
    static constexpr float kFactor = 1.0F;
    static constexpr Index kBytes = 2;
    static Vec load(const char* p) { return widenBf16(p); }
    static Vec loadPart(const char* p, Index n) { return widenBf16Part(p, n); }
};
struct F16Format {
    static constexpr bool kScaled = false;
    static constexpr float kFactor = 1.0F;
    static constexpr Index kBytes = 2;
    static Vec load(const char* p) { return widenF16(p); }
    static Vec loadPart(const char* p, Index n) { return widenF16Part(p, n); }
};
struct E4m3Format {
    static constexpr bool kScaled = true;
    static constexpr float kFactor = 256.0F;
    static constexpr Index kBytes = 1;
    static Vec load(const char* p) { return widenE4m3(p); }
    static Vec loadPart(const char* p, Index n) { return widenE4m3Part(p, n); }
};

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
