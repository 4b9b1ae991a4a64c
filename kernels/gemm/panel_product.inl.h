#pragma once

// Activation rows times weight panels in the float formats; included only by cpu/isa_kernels.cpp.
//
// A tile keeps M rows x P panels of sums in registers and runs along k: per step it widens 16 columns of two neighbours
// in k (a shift and a mask of BF16 pairs) and multiplies them with broadcast activations. Every sum is one chain of
// fused multiply-adds in the order of k, whatever M and P are and wherever k is cut.

#include "kernels/cpu/for_tiles.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_pairs.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

inline constexpr int kVectors = static_cast<int>(kPanelColumns / kWidth);  // vectors across a panel
inline constexpr Index kLongSegment = 256;  // k of two panels kept in the first-level cache while rows pass by

/// How many of P panels go together with M rows.
template <int M, int P>
inline constexpr int kTogether = [] {
    int together = P;
    while (together > 1 && M * together * kVectors > kMostSums) together /= 2;
    return together;
}();

/// Weights that are needed later, asked for while a tile computes: with arithmetic between the loads the processor's
/// own prefetching stays too close. Where several tiles pass over the same weights, each asks for its share.
template <int P>
class Ahead {
public:
    /// Asks for what lies `distance` bytes behind weights[p]; pass `pass` of `passes` over `bytes` of each panel,
    /// `line` of them a call.
    Ahead(const char* const* weights, Index distance, Index bytes = 0, Index pass = 0, Index passes = 1,
          Index line = 64)
        : step_(line / passes) {
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) at_[p] = weights[p] + distance + bytes / line * step_ * pass;
    }
    /// To be called once for every line that the tile reads of each panel.
    void ask() {
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) {
            __builtin_prefetch(at_[p]);
            at_[p] += step_;
        }
    }

private:
    const char* at_[P];
    Index step_;
};

/// Where vector c of a row of sums goes: out[p] is panel p's place.
inline float* place(float* const* out, int c) {
    return out[c / kVectors] + c % kVectors * kWidth;
}

/// The sums of a tile so far, 0 where nothing has been `added`, and their way back.
template <int M, int C>
inline void loadSums(float* const* out, Index outStride, bool added, Vec (*sums)[C]) {
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) sums[t][c] = added ? load(place(out, c) + t * outStride) : zero();
    }
}
template <int M, int C>
inline void storeSums(const Vec (*sums)[C], float* const* out, Index outStride) {
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) store(place(out, c) + t * outStride, sums[t][c]);
    }
}

/// sums[t][c] += x[t][i] * weights(c), keeping in registers what there is less of.
template <int M, int C, typename Weights>
inline void multiplyStep(const float* const* x, Index i, Weights weights, Vec (*sums)[C]) {
    if constexpr (M < C) {
        Vec a[M];
#pragma GCC unroll 24
        for (int t = 0; t < M; ++t) a[t] = set1(x[t][i]);
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) {
            const Vec w = weights(c);
#pragma GCC unroll 24
            for (int t = 0; t < M; ++t) sums[t][c] = addProduct(sums[t][c], a[t], w);
        }
    } else {
        Vec w[C];
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) w[c] = weights(c);
#pragma GCC unroll 24
        for (int t = 0; t < M; ++t) {
            const Vec a = set1(x[t][i]);
#pragma GCC unroll 24
            for (int c = 0; c < C; ++c) sums[t][c] = addProduct(sums[t][c], a, w[c]);
        }
    }
}

/// out[p] (+)= x * BF16 panels over [from, from + length) of k, whose pairs start at panel[p]; rows of the results lie
/// outStride apart.
template <int M, int P>
void bf16Tile(const char* const* panel, const float* const* rows, Index from, Index length, Ahead<P> ahead,
              float* const* out, Index outStride) {
    constexpr int C = P * kVectors;
    Vec sums[M][C];
    loadSums<M, C>(out, outStride, from > 0, sums);
    const float* x[M];
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) x[t] = rows[t] + from;
    const char* line[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) line[p] = panel[p];
    const auto low = [&](int c) { return pairLow(line[c / kVectors] + c % kVectors * kWidth * 4); };
    Index i = 0;
    for (; i + 2 <= length; i += 2) {
        ahead.ask();
        multiplyStep<M, C>(x, i, low, sums);
        multiplyStep<M, C>(
            x, i + 1, [&](int c) { return pairHigh(reload(line[c / kVectors]) + c % kVectors * kWidth * 4); }, sums);
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) line[p] += 64;
    }
    if (i < length) multiplyStep<M, C>(x, i, low, sums);
    storeSums<M, C>(sums, out, outStride);
}

/// out += factor * sums, the sums of one block of k.
template <int M, int C>
inline void addBlock(const Vec (*sums)[C], const float* factor, float* const* out, Index outStride) {
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) {
#pragma GCC unroll 24
        for (int c = 0; c < C; ++c) {
            float* to = place(out, c) + t * outStride;
            store(to, fma(sums[t][c], set1(factor[c / kVectors]), load(to)));
        }
    }
}

/// out += factor * (x * codes) for one block of k of E4M3 panels: no detour through memory where decoding and reading
/// are what costs.
template <int M, int P>
void e4m3Tile(const char* const* panel, const float* const* x, Index length, const float* factor, Ahead<P> ahead,
              float* const* out, Index outStride) {
    constexpr int C = P * kVectors;
    Vec sums[M][C];
    clearSums<M, C>(sums);
    const char* line[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) line[p] = panel[p];
    for (Index i = 0; i < length; i += 4) {
        ahead.ask();
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) {
#pragma GCC unroll 24
            for (int v = 0; v < kVectors; ++v) {
                const int c = p * kVectors + v;
                const Lanes codes = loadLanes(line[p] + v * kWidth * 4);
                const Lanes even = evenPairs(codes);
                const Lanes odd = oddPairs(codes);
                const Vec weights[4] = {lowOf(even), highOf(even), lowOf(odd), highOf(odd)};
#pragma GCC unroll 24
                for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 24
                    for (int t = 0; t < M; ++t) sums[t][c] = addProduct(sums[t][c], set1(x[t][i + j]), weights[j]);
                }
            }
            line[p] += 64;
        }
    }
    float rescaled[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) rescaled[p] = factor[p] * kE4m3Rescale;
    addBlock<M, C>(sums, rescaled, out, outStride);
}

/// E4M3 codes of one panel over `length` values of k -> float32 [length][16] of 2^-64 the value. The multiplication
/// also keeps subnormal numbers out of the tiles, where each would cost some processors a hundred cycles and more.
inline void widenE4m3Panel(const char* codes, Index length, float* wide) {
    const Vec factor = set1(kE4m3Rescale);
    for (Index i = 0; i < length; i += 4, codes += 64, wide += 4 * kPanelColumns) {
#pragma GCC unroll 24
        for (int v = 0; v < kVectors; ++v) {
            const Lanes quad = loadLanes(codes + v * kWidth * 4);
            const Lanes even = evenPairs(quad);
            const Lanes odd = oddPairs(quad);
            float* to = wide + v * kWidth;
            store(to, mul(lowOf(even), factor));
            store(to + kPanelColumns, mul(highOf(even), factor));
            store(to + 2 * kPanelColumns, mul(lowOf(odd), factor));
            store(to + 3 * kPanelColumns, mul(highOf(odd), factor));
        }
    }
}

/// e4m3Tile with codes that were widened before.
template <int M, int P>
void wideTile(const float* const* wide, const float* const* x, Index length, const float* factor, Ahead<P> ahead,
              float* const* out, Index outStride) {
    constexpr int C = P * kVectors;
    Vec sums[M][C];
    clearSums<M, C>(sums);
    const float* line[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) line[p] = wide[p];
    for (Index i = 0; i < length; i += 4) {
        ahead.ask();
#pragma GCC unroll 24
        for (int j = 0; j < 4; ++j) {
            multiplyStep<M, C>(
                x, i + j, [&](int c) { return load(line[c / kVectors] + j * kPanelColumns + c % kVectors * kWidth); },
                sums);
        }
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) line[p] += 4 * kPanelColumns;
    }
    addBlock<M, C>(sums, factor, out, outStride);
}

/// Height of the next tile if `m` rows are left: nearly equal ones. With kMixTiles, one of up to three rows, which goes
/// with two panels, rather than two of four, which fill the registers badly.
inline Index tileHeight(Index m) {
    if (m <= kMostRows) return m;
    if (!kMixTiles || m == kMostRows + 1) return equalHeight<kMostRows>(m);
    const Index rest = m % kMostRows;
    return rest == 1 || rest == 2 || rest == 4 ? kMostRows - 1 : kMostRows;
}

inline Index tilesOf(Index m) {
    Index tiles = 0;
    for (; m > 0; m -= tileHeight(m)) ++tiles;
    return tiles;
}

/// Values of k from `from` on of panels first .. first + P - 1.
template <int P>
void bf16Panels(const PanelProductParams& a, Index first, Index from, Index length, Index passes) {
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    const char* panel[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) panel[p] = static_cast<const char*>(a.panel[first + p]) + from * 32;
    const Index distance = passes == 1 ? kAhead : length * 32;
    Index pass = 0;
    forTiles<kMostRows>(a.m, tileHeight, [&]<int M>(Index t) {
        constexpr int Q = kTogether<M, P>;
        float* out[P];
        for (int p = 0; p < P; ++p) out[p] = a.out[first + p] + t * a.outStride;
        for (int q = 0; q < P; q += Q) {
            const Ahead<Q> ahead(panel + q, distance, length * 32, pass, passes);
            bf16Tile<M, Q>(panel + q, rows + t, from, length, ahead, out + q, a.outStride);
        }
        ++pass;
    });
}

/// One block of k of panels first .. first + P - 1.
template <int P>
void e4m3Panels(const PanelProductParams& a, Index first, Index from, Index length, Index passes) {
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    const char* panel[P];
    float factor[P];
    alignas(64) float wide[P][kMostFp8Block * kPanelColumns];
    const float* widePanel[P];
    const bool direct = a.m <= kDirectE4m3Rows;
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) {
        panel[p] = static_cast<const char*>(a.panel[first + p]) + from * 16;
        const float* scale = a.scale[first + p];
        factor[p] = scale == nullptr ? 1.0F : scale[from / a.blockK];
        widePanel[p] = wide[p];
        if (!direct) widenE4m3Panel(panel[p], length, wide[p]);
    }
    Index pass = 0;
    forTiles<kMostRows>(a.m, tileHeight, [&]<int M>(Index t) {
        constexpr int Q = kTogether<M, P>;
        const float* x[M];
        for (int i = 0; i < M; ++i) x[i] = rows[t + i] + from;
        float* out[P];
        for (int p = 0; p < P; ++p) out[p] = a.out[first + p] + t * a.outStride;
        for (int q = 0; q < P; q += Q) {
            const Ahead<Q> ahead(panel + q, kAhead, length * 16, pass, passes);
            if constexpr (M <= kDirectE4m3Rows) {
                if (direct) {
                    e4m3Tile<M, Q>(panel + q, x, length, factor + q, ahead, out + q, a.outStride);
                    continue;
                }
            }
            wideTile<M, Q>(widePanel + q, x, length, factor + q, ahead, out + q, a.outStride);
        }
        ++pass;
    });
}

/// All panels of the call, P at a time while P are left, then one by one.
template <int P, typename Body>
inline void forPanels(Index panels, Body body) {
    Index first = 0;
    for (; first + P <= panels; first += P) body.template operator()<P>(first);
    for (; first < panels; ++first) body.template operator()<1>(first);
}

/// A single tile of rows goes with all panels at once. With more rows k is cut so that the part of two panels stays in
/// the first-level cache while the tiles pass by.
void floatPanels(const PanelProductParams& a) {
    const bool bf16 = a.dtype == DType::kBF16;
    const Index passes = tilesOf(a.m);
    if (!bf16) {
        for (Index p = 0; p < a.panels; ++p) {
            for (Index t = 0; t < a.m; ++t) {
                for (Index i = 0; i < kPanelColumns; i += kWidth) store(a.out[p] + t * a.outStride + i, zero());
            }
        }
    }
    const Index segment = !bf16 ? a.blockK : passes > 1 ? kLongSegment : a.k;
    for (Index from = 0; from < a.k; from += segment) {
        const Index length = segment < a.k - from ? segment : a.k - from;
        const auto panels = [&]<int P>(Index first) {
            if (bf16) return bf16Panels<P>(a, first, from, length, passes);
            e4m3Panels<P>(a, first, from, length, passes);
        };
        if (passes > 1) {
            forPanels<2>(a.panels, panels);
        } else {
            forPanels<4>(a.panels, panels);
        }
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
