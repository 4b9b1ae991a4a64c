#pragma once

// Vectors of stored weights for the panel kernels: BF16 pairs, E4M3 quads and small integer codes, one 32-bit lane for
// each of kWidth columns. For CompactBF16 (kernels/gemm/panels.h): upperBytes makes upper bytes of half bytes,
// firstPairs and secondPairs interleave the first or second eight of each sixteen lower and upper bytes. Same rules as
// simd.h, which it completes.

#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

// Shapes of tiles. The float kernels: at most kMostRows rows and as many panels as kMostSums vectors of sums allow. The
// group formats: at most kInt8Rows or kInt4Rows rows. Up to kDirectE4m3Rows rows are multiplied with E4M3 codes
// directly, more with codes widened before; CompactBF16 likewise.
#if defined(__AVX512F__)
inline constexpr int kMostRows = 12;
inline constexpr int kMostSums = 24;
inline constexpr bool kMixTiles = false;
inline constexpr int kDirectE4m3Rows = 4;
inline constexpr int kDirectCompactRows = 4;
inline constexpr int kInt8Rows = 12;
inline constexpr int kInt4Rows = 12;
#elif defined(__AVX2__)
inline constexpr int kMostRows = 6;
inline constexpr int kMostSums = 12;
inline constexpr bool kMixTiles = true;
inline constexpr int kDirectE4m3Rows = 2;
inline constexpr int kDirectCompactRows = 3;
inline constexpr int kInt8Rows = 4;
inline constexpr int kInt4Rows = 6;
#elif defined(STEP3_NEON)
inline constexpr int kMostRows = 6;
inline constexpr int kMostSums = 24;
inline constexpr bool kMixTiles = false;
inline constexpr int kDirectE4m3Rows = 3;
inline constexpr int kDirectCompactRows = 3;
inline constexpr int kInt8Rows = 4;
inline constexpr int kInt4Rows = 4;
#else
inline constexpr int kMostRows = 2;
inline constexpr int kMostSums = 8;
inline constexpr bool kMixTiles = false;
inline constexpr int kDirectE4m3Rows = 2;
inline constexpr int kDirectCompactRows = 2;
inline constexpr int kInt8Rows = 2;
inline constexpr int kInt4Rows = 2;
#endif

/// Bytes of a panel that are asked for in advance; 2 to 4 KiB are best on the processors seen.
inline constexpr Index kAhead = 2048;

#if defined(__AVX512F__)

using Lanes = __m512i;

inline Lanes loadLanes(const void* p) {
    return _mm512_loadu_si512(p);
}
inline void storeLanes(void* p, Lanes a) {
    _mm512_storeu_si512(p, a);
}
inline Lanes zeroLanes() {
    return _mm512_setzero_si512();
}
inline Lanes broadcast32(const void* p) {
    std::int32_t bits = 0;
    __builtin_memcpy(&bits, p, sizeof bits);
    return _mm512_set1_epi32(bits);
}
inline Vec lowOf(Lanes pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}
inline Vec addProduct(Vec sum, Vec a, Vec b) {
    return fma(a, b, sum);
}
inline Vec highOf(Lanes pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))));
}
inline Lanes e4m3Pairs(Lanes highBytes) {
    return _mm512_and_si512(_mm512_srai_epi16(highBytes, 4), _mm512_set1_epi16(static_cast<short>(0x87F0)));
}
inline Lanes evenPairs(Lanes quads) {
    return e4m3Pairs(_mm512_slli_epi16(quads, 8));
}
inline Lanes oddPairs(Lanes quads) {
    return e4m3Pairs(quads);
}
inline Lanes upperBytes(Lanes halves) {
    const __m128i table = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -128, -127, -126, -125, -124, -123, -122, -121);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), halves);
}
inline Lanes firstPairs(Lanes lower, Lanes upper) {
    return _mm512_unpacklo_epi8(lower, upper);
}
inline Lanes secondPairs(Lanes lower, Lanes upper) {
    return _mm512_unpackhi_epi8(lower, upper);
}
inline Lanes add32(Lanes a, Lanes b) {
    return _mm512_add_epi32(a, b);
}
inline Lanes add16(Lanes a, Lanes b) {
    return _mm512_add_epi16(a, b);
}
inline Vec toFloats(Lanes a) {
    return _mm512_cvtepi32_ps(a);
}
inline Lanes lowNibbles(Lanes a) {
    return _mm512_and_si512(a, _mm512_set1_epi8(15));
}
inline Lanes highNibbles(Lanes a) {
    return lowNibbles(_mm512_srli_epi16(a, 4));
}
inline Lanes evenSigned(Lanes codes) {  // bytes 0 and 2 of each lane, offset 128, as two signed 16-bit numbers
    return _mm512_srai_epi16(_mm512_slli_epi16(_mm512_xor_si512(codes, _mm512_set1_epi8(-128)), 8), 8);
}
inline Lanes oddSigned(Lanes codes) {
    return _mm512_srai_epi16(_mm512_xor_si512(codes, _mm512_set1_epi8(-128)), 8);
}
inline Lanes multiplyAdd16(Lanes a, Lanes b) {
    return _mm512_madd_epi16(a, b);
}
inline Lanes multiplyAdd8(Lanes unsignedBytes, Lanes signedBytes) {
    return _mm512_maddubs_epi16(unsignedBytes, signedBytes);
}
inline Lanes ones16() {
    return _mm512_set1_epi16(1);
}
#if defined(__AVX512VNNI__)
inline Lanes dotBytes(Lanes sum, Lanes unsignedBytes, Lanes signedBytes) {
    return _mm512_dpbusd_epi32(sum, unsignedBytes, signedBytes);
}
#endif

#elif defined(__AVX2__)

using Lanes = __m256i;

inline Lanes loadLanes(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void storeLanes(void* p, Lanes a) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), a);
}
inline Lanes zeroLanes() {
    return _mm256_setzero_si256();
}
inline Lanes broadcast32(const void* p) {
    std::int32_t bits = 0;
    __builtin_memcpy(&bits, p, sizeof bits);
    return _mm256_set1_epi32(bits);
}
inline Vec lowOf(Lanes pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}
/// a * b + sum, in the register of the sum. In assembly because the compiler likes to put it elsewhere and then lacks
/// registers for the sums of a tile.
inline Vec addProduct(Vec sum, Vec a, Vec b) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}
inline Vec highOf(Lanes pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))));
}
inline Lanes e4m3Pairs(Lanes highBytes) {
    return _mm256_and_si256(_mm256_srai_epi16(highBytes, 4), _mm256_set1_epi16(static_cast<short>(0x87F0)));
}
inline Lanes evenPairs(Lanes quads) {
    return e4m3Pairs(_mm256_slli_epi16(quads, 8));
}
inline Lanes oddPairs(Lanes quads) {
    return e4m3Pairs(quads);
}
inline Lanes upperBytes(Lanes halves) {
    const __m128i table = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -128, -127, -126, -125, -124, -123, -122, -121);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves);
}
inline Lanes firstPairs(Lanes lower, Lanes upper) {
    return _mm256_unpacklo_epi8(lower, upper);
}
inline Lanes secondPairs(Lanes lower, Lanes upper) {
    return _mm256_unpackhi_epi8(lower, upper);
}
inline Lanes add32(Lanes a, Lanes b) {
    return _mm256_add_epi32(a, b);
}
inline Lanes add16(Lanes a, Lanes b) {
    return _mm256_add_epi16(a, b);
}
inline Vec toFloats(Lanes a) {
    return _mm256_cvtepi32_ps(a);
}
inline Lanes lowNibbles(Lanes a) {
    return _mm256_and_si256(a, _mm256_set1_epi8(15));
}
inline Lanes highNibbles(Lanes a) {
    return lowNibbles(_mm256_srli_epi16(a, 4));
}
inline Lanes evenSigned(Lanes codes) {  // bytes 0 and 2 of each lane, offset 128, as two signed 16-bit numbers
    return _mm256_srai_epi16(_mm256_slli_epi16(_mm256_xor_si256(codes, _mm256_set1_epi8(-128)), 8), 8);
}
inline Lanes oddSigned(Lanes codes) {
    return _mm256_srai_epi16(_mm256_xor_si256(codes, _mm256_set1_epi8(-128)), 8);
}
inline Lanes multiplyAdd16(Lanes a, Lanes b) {
    return _mm256_madd_epi16(a, b);
}
inline Lanes multiplyAdd8(Lanes unsignedBytes, Lanes signedBytes) {
    return _mm256_maddubs_epi16(unsignedBytes, signedBytes);
}
inline Lanes ones16() {
    return _mm256_set1_epi16(1);
}

#elif defined(STEP3_NEON)

using Lanes = int32x4_t;

inline Lanes loadLanes(const void* p) {
    return vreinterpretq_s32_u8(vld1q_u8(static_cast<const std::uint8_t*>(p)));
}
inline void storeLanes(void* p, Lanes a) {
    vst1q_u8(static_cast<std::uint8_t*>(p), vreinterpretq_u8_s32(a));
}
inline Lanes zeroLanes() {
    return vdupq_n_s32(0);
}
inline Lanes broadcast32(const void* p) {
    std::int32_t bits = 0;
    __builtin_memcpy(&bits, p, sizeof bits);
    return vdupq_n_s32(bits);
}
inline Vec lowOf(Lanes pairs) {
    return vreinterpretq_f32_s32(vshlq_n_s32(pairs, 16));
}
inline Vec addProduct(Vec sum, Vec a, Vec b) {
    return fma(a, b, sum);
}
inline Vec highOf(Lanes pairs) {
    return vreinterpretq_f32_s32(vandq_s32(pairs, vdupq_n_s32(static_cast<std::int32_t>(0xFFFF0000U))));
}
inline Lanes e4m3Pairs(int16x8_t highBytes) {
    const int16x8_t kept = vdupq_n_s16(static_cast<std::int16_t>(0x87F0));
    return vreinterpretq_s32_s16(vandq_s16(vshrq_n_s16(highBytes, 4), kept));
}
inline Lanes evenPairs(Lanes quads) {
    return e4m3Pairs(vshlq_n_s16(vreinterpretq_s16_s32(quads), 8));
}
inline Lanes oddPairs(Lanes quads) {
    return e4m3Pairs(vreinterpretq_s16_s32(quads));
}
inline Lanes upperBytes(Lanes halves) {
    const uint8x16_t table = {0, 1, 2, 3, 4, 5, 6, 7, 128, 129, 130, 131, 132, 133, 134, 135};
    return vreinterpretq_s32_u8(vqtbl1q_u8(table, vreinterpretq_u8_s32(halves)));
}
inline Lanes firstPairs(Lanes lower, Lanes upper) {
    return vreinterpretq_s32_u8(vzip1q_u8(vreinterpretq_u8_s32(lower), vreinterpretq_u8_s32(upper)));
}
inline Lanes secondPairs(Lanes lower, Lanes upper) {
    return vreinterpretq_s32_u8(vzip2q_u8(vreinterpretq_u8_s32(lower), vreinterpretq_u8_s32(upper)));
}
inline Lanes add32(Lanes a, Lanes b) {
    return vaddq_s32(a, b);
}
inline Lanes add16(Lanes a, Lanes b) {
    return vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)));
}
inline Vec toFloats(Lanes a) {
    return vcvtq_f32_s32(a);
}
inline Lanes lowNibbles(Lanes a) {
    return vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_s32(a), vdupq_n_u8(15)));
}
inline Lanes highNibbles(Lanes a) {
    return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(a), 4));
}
inline int16x8_t withoutOffset128(Lanes codes) {
    return vreinterpretq_s16_u8(veorq_u8(vreinterpretq_u8_s32(codes), vdupq_n_u8(0x80)));
}
inline Lanes evenSigned(Lanes codes) {  // bytes 0 and 2 of each lane, offset 128, as two signed 16-bit numbers
    return vreinterpretq_s32_s16(vshrq_n_s16(vshlq_n_s16(withoutOffset128(codes), 8), 8));
}
inline Lanes oddSigned(Lanes codes) {
    return vreinterpretq_s32_s16(vshrq_n_s16(withoutOffset128(codes), 8));
}
inline Lanes multiplyAdd16(Lanes a, Lanes b) {
    const int16x8_t x = vreinterpretq_s16_s32(a);
    const int16x8_t y = vreinterpretq_s16_s32(b);
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}
/// The unsigned bytes are at most 127, so that both are signed to the processor.
inline Lanes multiplyAdd8(Lanes unsignedBytes, Lanes signedBytes) {
    const int8x16_t x = vreinterpretq_s8_s32(unsignedBytes);
    const int8x16_t y = vreinterpretq_s8_s32(signedBytes);
    return vreinterpretq_s32_s16(vpaddq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y)), vmull_high_s8(x, y)));
}
inline Lanes ones16() {
    return vreinterpretq_s32_s16(vdupq_n_s16(1));
}

#else

typedef std::int32_t Lanes __attribute__((vector_size(16)));
typedef std::int16_t Lanes16 __attribute__((vector_size(16)));
typedef std::int8_t Lanes8 __attribute__((vector_size(16)));

inline Lanes loadLanes(const void* p) {
    Lanes a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
inline void storeLanes(void* p, Lanes a) {
    __builtin_memcpy(p, &a, sizeof a);
}
inline Lanes zeroLanes() {
    return Lanes{0, 0, 0, 0};
}
inline Lanes broadcast32(const void* p) {
    std::int32_t bits = 0;
    __builtin_memcpy(&bits, p, sizeof bits);
    return Lanes{bits, bits, bits, bits};
}
inline Vec lowOf(Lanes pairs) {
    return (Vec)(pairs << 16);
}
inline Vec addProduct(Vec sum, Vec a, Vec b) {
    return fma(a, b, sum);
}
inline Vec highOf(Lanes pairs) {
    return (Vec)(pairs & static_cast<std::int32_t>(0xFFFF0000U));
}
inline Lanes oddPairs(Lanes quads) {
    return (Lanes)(((Lanes16)quads >> 4) & static_cast<std::int16_t>(0x87F0));
}
inline Lanes evenPairs(Lanes quads) {
    return oddPairs((Lanes)((Lanes16)quads << 8));
}
inline Lanes upperBytes(Lanes halves) {
    return (halves & 0x07070707) | ((halves & 0x08080808) << 4);
}
inline Lanes interleaveBytes(Lanes lower, Lanes upper, int from) {
    Lanes8 l = (Lanes8)lower;
    Lanes8 u = (Lanes8)upper;
    Lanes8 pairs = l;
    for (int i = 0; i < 8; ++i) {
        pairs[2 * i] = l[from + i];
        pairs[2 * i + 1] = u[from + i];
    }
    return (Lanes)pairs;
}
inline Lanes firstPairs(Lanes lower, Lanes upper) {
    return interleaveBytes(lower, upper, 0);
}
inline Lanes secondPairs(Lanes lower, Lanes upper) {
    return interleaveBytes(lower, upper, 8);
}
inline Lanes add32(Lanes a, Lanes b) {
    return a + b;
}
inline Lanes add16(Lanes a, Lanes b) {
    return (Lanes)((Lanes16)a + (Lanes16)b);
}
inline Vec toFloats(Lanes a) {
    return __builtin_convertvector(a, Vec);
}
inline Lanes lowNibbles(Lanes a) {
    return a & 0x0F0F0F0F;
}
inline Lanes highNibbles(Lanes a) {
    return lowNibbles(a >> 4);
}
inline Lanes oddSigned(Lanes codes) {
    return (Lanes)((Lanes16)(codes ^ static_cast<std::int32_t>(0x80808080U)) >> 8);
}
inline Lanes evenSigned(Lanes codes) {
    return (Lanes)((Lanes16)((Lanes)((Lanes16)(codes ^ static_cast<std::int32_t>(0x80808080U)) << 8)) >> 8);
}
inline Lanes multiplyAdd16(Lanes a, Lanes b) {
    const Lanes low = ((a << 16) >> 16) * ((b << 16) >> 16);
    return low + (a >> 16) * (b >> 16);
}
/// Sums of two products of unsigned and signed bytes; the caller keeps them within 16 bits.
inline Lanes multiplyAdd8(Lanes unsignedBytes, Lanes signedBytes) {
    const Lanes16 u = (Lanes16)unsignedBytes;
    const Lanes16 s = (Lanes16)signedBytes;
    return (Lanes)((u & 255) * ((s << 8) >> 8) + ((u >> 8) & 255) * (s >> 8));
}
inline Lanes ones16() {
    return Lanes{0x10001, 0x10001, 0x10001, 0x10001};
}

#endif

inline Vec pairLow(const void* p) {
    return lowOf(loadLanes(p));
}
inline Vec pairHigh(const void* p) {
    return highOf(loadLanes(p));
}

/// Keeps the compiler from holding a loaded line in a register that the tile needs for a sum.
inline const char* reload(const char* p) {
    asm("" : "+r"(p));
    return p;
}

/// The sums of an empty tile.
template <int M, int C>
inline void clearSums(Vec (*sums)[C]) {
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) sums[t][c] = zero();
    }
}

/// E4M3 codes become BF16 numbers of 2^-120 their value, subnormal for subnormal codes, and those of CompactBF16 of
/// 2^-base; activations are multiplied by 2^64 beforehand so that no sum comes near float32's subnormals, and sums by
/// the rest.
inline constexpr int kPrescaleBits = 64;
inline constexpr float kPrescale = 0x1p64F;
inline constexpr float kE4m3Rescale = 0x1p56F;

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
