#pragma once

// The two matrix products of attention in tiles that fit the registers; included only by cpu/isa_kernels.cpp.
//
// Rows are padded to whole blocks of two vectors. Numbers says how a block of a K or V row is stored; queries and
// results have a block's numbers in the order in which Numbers gives them. Every sum is one chain in the order of the
// row's blocks (scores) or of the keys (weighted sums), whatever the tile, so how rows and keys fall into tiles does
// not change results.

#include "kernels/cpu/simd_pairs.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

inline constexpr Index kBlock = 2 * kWidth;

/// float32
struct WideNumbers {
    static constexpr Index kBytes = 4;
    static Vec first(const char* p) { return load(reinterpret_cast<const float*>(p)); }
    static Vec second(const char* p) { return load(reinterpret_cast<const float*>(p) + kWidth); }
};
/// BF16 as pairs: the even numbers of a block, then the odd ones.
struct PairNumbers {
    static constexpr Index kBytes = 2;
    static Vec first(const char* p) { return pairLow(p); }
    static Vec second(const char* p) { return pairHigh(reload(p)); }
};

// Query rows of a tile, keys of a score tile and blocks of a sum tile: as many sums as the registers hold.
#if defined(__AVX2__) && !defined(__AVX512F__)
inline constexpr int kAttendRows = 6;
inline constexpr int kScoreKeys = 2;
inline constexpr int kSumBlocks = 1;
#else
inline constexpr int kAttendRows = kTileRows;
inline constexpr int kScoreKeys = 4;
inline constexpr int kSumBlocks = 2;
#endif

/// Asks for memory that is needed later, line by line while the tiles compute: by the time it is needed it is in the
/// second-level cache. Without that, long contexts wait for memory about as long as they compute; asked for in bursts,
/// it holds up what the tiles load.
class Prefetch {
public:
    /// `bytes` from `begin` on (null: nothing) within about `steps` steps.
    Prefetch(const void* begin, Index bytes, Index steps)
        : at_(reinterpret_cast<std::uintptr_t>(begin)),
          each_(begin == nullptr ? 0 : static_cast<std::uintptr_t>((bytes + steps - 1) / steps)) {}
    void step() {
        const std::uintptr_t next = at_ + each_;
        if ((at_ ^ next) >= 64) __builtin_prefetch(reinterpret_cast<const void*>(next), 0, 2);  // another line
        at_ = next;
    }

private:
    std::uintptr_t at_;
    std::uintptr_t each_;
};

/// scores[t][j] = q[t] . key[j]; q has rows of `width` numbers.
template <typename Numbers, int M>
inline void scoreTile(const float* q, Index width, const char* const* key, float* scores, Index stride,
                      Prefetch& ahead) {
    constexpr int K = kScoreKeys;
    Vec sums[M][K];
    clearSums<M, K>(sums);
    const float* x[M];
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) x[t] = q + t * width;
    const char* at[K];
#pragma GCC unroll 24
    for (int j = 0; j < K; ++j) at[j] = key[j];
    const auto multiply = [&](Index i, const Vec* keys) {
#pragma GCC unroll 24
        for (int t = 0; t < M; ++t) {
            const Vec a = load(x[t] + i);
#pragma GCC unroll 24
            for (int j = 0; j < K; ++j) sums[t][j] = addProduct(sums[t][j], a, keys[j]);
        }
    };
    Prefetch fetch = ahead;  // in registers
    for (Index i = 0; i < width; i += kBlock) {
        fetch.step();
        Vec keys[K];
#pragma GCC unroll 24
        for (int j = 0; j < K; ++j) keys[j] = Numbers::first(at[j] + i * Numbers::kBytes);
        multiply(i, keys);
#pragma GCC unroll 24
        for (int j = 0; j < K; ++j) keys[j] = Numbers::second(at[j] + i * Numbers::kBytes);
        multiply(i + kWidth, keys);
    }
    ahead = fetch;
    alignas(16) float out[(M * K + 3) / 4 * 4];
#pragma GCC unroll 24
    for (int i = 0; i < M * K; i += 4) {
        const auto sum = [&](int n) { return n < M * K ? sums[n / K][n % K] : sums[0][0]; };
        reduceAdd4(sum(i), sum(i + 1), sum(i + 2), sum(i + 3), out + i);
    }
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int j = 0; j < K; ++j) scores[t * stride + j] = out[t * K + j];
    }
}

/// C blocks of M rows: out = out * correction + sum over keys of p[t][s] * v[s]
template <typename Numbers, int M, int C>
inline void sumTile(const float* p, Index pStride, const char* v, Index vStride, Index keys, const float* correction,
                    float* out, Index outStride, Prefetch& ahead) {
    Vec sums[M][2 * C];
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int c = 0; c < 2 * C; ++c) sums[t][c] = mul(load(out + t * outStride + c * kWidth), set1(correction[t]));
    }
    const float* weight[M];
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) weight[t] = p + t * pStride;
    Prefetch fetch = ahead;  // in registers
    for (Index s = 0; s < keys; ++s, v += vStride) {
        fetch.step();
        Vec values[2 * C];
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) {
            values[2 * c] = Numbers::first(v + c * kBlock * Numbers::kBytes);
            values[2 * c + 1] = Numbers::second(v + c * kBlock * Numbers::kBytes);
        }
#pragma GCC unroll 24
        for (int t = 0; t < M; ++t) {
            const Vec a = set1(weight[t][s]);
#pragma GCC unroll 24
            for (int c = 0; c < 2 * C; ++c) sums[t][c] = addProduct(sums[t][c], a, values[c]);
        }
    }
    ahead = fetch;
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int c = 0; c < 2 * C; ++c) store(out + t * outStride + c * kWidth, sums[t][c]);
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
