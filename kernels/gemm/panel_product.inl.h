#pragma once

// Activation rows times weight panels in the float formats; included only by cpu/isa_kernels.cpp.
//
// A tile keeps M rows x P panels of sums in registers and runs along k: per step it widens 16 columns of two neighbours
// in k (a shift and a mask of BF16 pairs) and multiplies them with broadcast activations. Every sum is one chain of
// fused multiply-adds in the order of k, whatever M and P are and wherever k is cut.

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_pairs.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

inline constexpr int kVectors = static_cast<int>(kPanelColumns / kWidth);  // vectors across a panel
inline constexpr Index kLongSegment = 512;  // k of a panel kept in the first-level cache while rows pass by

/// Bytes of a panel asked for in advance: with few streams and arithmetic between the loads the processor's own
/// prefetching stays too close. 2 to 8 KiB are within a few percent of each other.
inline constexpr Index kAhead = 4096;

/// Keeps the compiler from holding a loaded line in a register that the tile needs for a sum.
inline const char* reload(const char* p) {
    asm("" : "+r"(p));
    return p;
}

/// sums += x * pairs over k values whose pairs start at panel[p]; x[t] points at the first of them.
template <int M, int P, bool kPrefetch>
inline void pairTile(const char* const* panel, const float* const* x, Index k, Vec (*sums)[P * kVectors]) {
    const char* line[P];
    for (int p = 0; p < P; ++p) line[p] = panel[p];
    for (Index i = 0; i < k; i += 2) {
        Vec weights[P * kVectors];
        for (int p = 0; p < P; ++p) {
            if constexpr (kPrefetch) __builtin_prefetch(line[p] + kAhead);
            for (int v = 0; v < kVectors; ++v) weights[p * kVectors + v] = pairLow(line[p] + v * kWidth * 4);
        }
        for (int t = 0; t < M; ++t) {
            const Vec a = set1(x[t][i]);
            for (int c = 0; c < P * kVectors; ++c) sums[t][c] = fma(a, weights[c], sums[t][c]);
        }
        if (i + 1 == k) break;
        for (int p = 0; p < P; ++p) {
            const char* again = M * P * kVectors > 8 ? reload(line[p]) : line[p];
            for (int v = 0; v < kVectors; ++v) weights[p * kVectors + v] = pairHigh(again + v * kWidth * 4);
            line[p] += 64;
        }
        for (int t = 0; t < M; ++t) {
            const Vec a = set1(x[t][i + 1]);
            for (int c = 0; c < P * kVectors; ++c) sums[t][c] = fma(a, weights[c], sums[t][c]);
        }
    }
}

/// out (+)= x * BF16 panels over [from, from + length) of k; rows of `out` lie outStride apart.
template <int M, int P>
void bf16Tile(const char* const* panel, const float* const* rows, Index from, Index length, bool add, float* out,
              Index outStride) {
    Vec sums[M][P * kVectors];
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) sums[t][c] = add ? load(out + t * outStride + c * kWidth) : zero();
    }
    const char* at[P];
    for (int p = 0; p < P; ++p) at[p] = panel[p] + from * 32;
    const float* x[M];
    for (int t = 0; t < M; ++t) x[t] = rows[t] + from;
    pairTile<M, P, true>(at, x, length, sums);
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) store(out + t * outStride + c * kWidth, sums[t][c]);
    }
}

/// out += factor * (x * pairs), the pairs being one block of k expanded from E4M3.
template <int M, int P>
void scaledTile(const char* const* pairs, const float* const* rows, Index from, Index length, const float* factor,
                float* out, Index outStride) {
    Vec sums[M][P * kVectors];
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) sums[t][c] = zero();
    }
    const float* x[M];
    for (int t = 0; t < M; ++t) x[t] = rows[t] + from;
    pairTile<M, P, false>(pairs, x, length, sums);
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) {
            float* to = out + t * outStride + c * kWidth;
            store(to, fma(sums[t][c], set1(factor[c / kVectors]), load(to)));
        }
    }
}

/// The same straight from the codes of P panels, for rows of a single tile: no detour through memory where decoding and
/// reading are what costs.
template <int M, int P>
void e4m3Tile(const char* const* panel, const float* const* rows, Index from, Index length, const float* factor,
              float* out, Index outStride) {
    Vec sums[M][P * kVectors];
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) sums[t][c] = zero();
    }
    const char* line[P];
    for (int p = 0; p < P; ++p) line[p] = panel[p] + from * 16;
    for (Index i = from; i < from + length; i += 4) {
        for (int p = 0; p < P; ++p) {
            __builtin_prefetch(line[p] + kAhead);
            for (int v = 0; v < kVectors; ++v) {
                const int c = p * kVectors + v;
                const Lanes codes = loadLanes(line[p] + v * kWidth * 4);
                const Lanes even = evenPairs(codes);
                const Lanes odd = oddPairs(codes);
                const Vec weights[4] = {lowOf(even), highOf(even), lowOf(odd), highOf(odd)};
                for (int j = 0; j < 4; ++j) {
                    for (int t = 0; t < M; ++t) sums[t][c] = fma(set1(rows[t][i + j]), weights[j], sums[t][c]);
                }
            }
            line[p] += 64;
        }
    }
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) {
            float* to = out + t * outStride + c * kWidth;
            store(to, fma(sums[t][c], set1(factor[c / kVectors]), load(to)));
        }
    }
}

/// E4M3 codes of one panel over `length` values of k -> BF16 pairs of 2^-120 the value.
inline void expandE4m3(const char* codes, Index length, char* pairs) {
    for (Index i = 0; i < length; i += 4, codes += 64, pairs += 128) {
        __builtin_prefetch(codes + kAhead);
        for (int v = 0; v < kVectors; ++v) {
            const Lanes quad = loadLanes(codes + v * kWidth * 4);
            storeLanes(pairs + v * kWidth * 4, evenPairs(quad));
            storeLanes(pairs + 64 + v * kWidth * 4, oddPairs(quad));
        }
    }
}

/// Calls body.template operator()<M>(first row, M) over all rows, in tiles of nearly equal height of at most `kMost`.
template <int kMost, typename Body>
inline void forTiles(Index m, Body body) {
    const Index tiles = (m + kMost - 1) / kMost;
    Index t = 0;
    for (Index tile = 0; tile < tiles; ++tile) {
        const Index end = m * (tile + 1) / tiles;
        const Index height = end - t;
        const auto run = [&]<int M>(auto&& self) -> void {
            if constexpr (M > 0) {
                if (height == M) return body.template operator()<M>(t);
                self.template operator()<M - 1>(self);
            }
        };
        run.template operator()<kMost>(run);
        t = end;
    }
}

/// Values of k from `from` on of panels first .. first + P - 1.
template <int kMost, int P>
void bf16Panels(const PanelProductParams& a, Index first, Index from, Index length) {
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    const auto* panel = reinterpret_cast<const char* const*>(a.panel + first);
    const Index stride = a.panels * kPanelColumns;
    float* out = a.out + first * kPanelColumns;
    forTiles<kMost>(a.m, [&]<int M>(Index t) {
        bf16Tile<M, P>(panel, rows + t, from, length, from > 0, out + t * stride, stride);
    });
}

/// One block of k of panels first .. first + P - 1; `expand`: decode it once into memory for several tiles.
template <int kMost, int P, bool kExpand>
void e4m3Panels(const PanelProductParams& a, Index first, Index from, Index length) {
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    const auto* panel = reinterpret_cast<const char* const*>(a.panel + first);
    const Index stride = a.panels * kPanelColumns;
    float* out = a.out + first * kPanelColumns;
    float factor[P];
    for (int p = 0; p < P; ++p) {
        const float* scale = a.scale[first + p];
        factor[p] = (scale == nullptr ? 1.0F : scale[from / a.blockK]) * kE4m3Rescale;
    }
    if constexpr (kExpand) {
        alignas(64) char pairs[P][kMostFp8Block * 32];
        const char* expanded[P];
        for (int p = 0; p < P; ++p) {
            expanded[p] = pairs[p];
            expandE4m3(panel[p] + from * 16, length, pairs[p]);
        }
        forTiles<kMost>(a.m, [&]<int M>(Index t) {
            scaledTile<M, P>(expanded, rows + t, from, length, factor, out + t * stride, stride);
        });
    } else {
        forTiles<kMost>(a.m, [&]<int M>(Index t) {
            e4m3Tile<M, P>(panel, rows + t, from, length, factor, out + t * stride, stride);
        });
    }
}

/// All panels of the call, P at a time while P are left, then one by one.
template <int P, typename Wide, typename Single>
inline void forPanels(Index panels, Wide wide, Single single) {
    Index first = 0;
    for (; first + P <= panels; first += P) wide(first);
    for (; first < panels; ++first) single(first);
}

/// Rows go with as many panels as the registers hold sums for. With more rows than a tile has, k is cut so that the
/// part of a panel stays in the first-level cache while the tiles pass by, and all panels use a part of the rows in
/// turn.
void floatPanels(const PanelProductParams& a) {
    const bool bf16 = a.dtype == DType::kBF16;
    const bool tiles = a.m > kManyRows;
    if (!bf16) {
        for (Index i = 0; i < a.m * a.panels * kPanelColumns; i += kWidth) store(a.out + i, zero());
    }
    const Index segment = !bf16 ? a.blockK : tiles ? kLongSegment : a.k;
    for (Index from = 0; from < a.k; from += segment) {
        const Index length = segment < a.k - from ? segment : a.k - from;
        if (bf16 && a.m <= kFewRows) {
            forPanels<4>(
                a.panels, [&](Index p) { bf16Panels<kFewRows, 4>(a, p, from, length); },
                [&](Index p) { bf16Panels<kFewRows, 1>(a, p, from, length); });
        } else if (bf16 && a.m <= kSomeRows) {
            forPanels<2>(
                a.panels, [&](Index p) { bf16Panels<kSomeRows, 2>(a, p, from, length); },
                [&](Index p) { bf16Panels<kSomeRows, 1>(a, p, from, length); });
        } else if (bf16) {
            forPanels<kManyPanels>(
                a.panels, [&](Index p) { bf16Panels<kManyRows, kManyPanels>(a, p, from, length); },
                [&](Index p) { bf16Panels<kManyRows, 1>(a, p, from, length); });
        } else if (a.m <= kFewRows) {
            forPanels<4>(
                a.panels, [&](Index p) { e4m3Panels<kFewRows, 4, false>(a, p, from, length); },
                [&](Index p) { e4m3Panels<kFewRows, 1, false>(a, p, from, length); });
        } else if (a.m <= kSomeE4m3Rows) {
            forPanels<2>(
                a.panels, [&](Index p) { e4m3Panels<kSomeE4m3Rows, 2, false>(a, p, from, length); },
                [&](Index p) { e4m3Panels<kSomeE4m3Rows, 1, false>(a, p, from, length); });
        } else if (!tiles) {
            forPanels<1>(
                a.panels, [&](Index p) { e4m3Panels<kManyRows, 1, false>(a, p, from, length); }, [](Index) {});
        } else {
            forPanels<kManyPanels>(
                a.panels, [&](Index p) { e4m3Panels<kManyRows, kManyPanels, true>(a, p, from, length); },
                [&](Index p) { e4m3Panels<kManyRows, 1, true>(a, p, from, length); });
        }
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
