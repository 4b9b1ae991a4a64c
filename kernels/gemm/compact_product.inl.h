#pragma once

// Activation rows times weight panels in CompactBF16; included only by cpu/isa_kernels.cpp.
//
// Codes become BF16 pairs without the panel's base, so numbers of 2^-base the weight, none of them subnormal. Few rows
// are multiplied with them directly; for more, a part of k is widened first and goes the way of BF16 panels. Either way
// a sum is the chain of fused multiply-adds of BF16 panels, scaled at its end by a power of two; the weights without a
// code come last.

#include "kernels/cpu/for_tiles.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_pairs.h"
#include "kernels/gemm/panel_product.inl.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

/// BF16 pairs 2 * line and 2 * line + 1 of the four of a unit's eight values of k, columns v * kWidth and on.
template <int line>
inline void compactPairs(const char* unit, int v, Lanes& first, Lanes& second) {
    const char* at = unit + v * kWidth * 4;
    const Lanes halves = loadLanes(at);
    const Lanes upper = upperBytes(line == 0 ? lowNibbles(halves) : highNibbles(halves));
    const Lanes lower = loadLanes(at + 64 + line * 64);
    first = firstPairs(lower, upper);
    second = secondPairs(lower, upper);
}

/// out[p] = x * codes over all `units` of k.
template <int M, int P>
void compactTile(const char* const* codes, const float* const* rows, Index units, float* const* out, Index outStride) {
    constexpr int C = P * kVectors;
    Vec sums[M][C];
    clearSums<M, C>(sums);
    const float* x[M];
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) x[t] = rows[t];
    const char* unit[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) unit[p] = codes[p];
    for (Index i = 0; i < units; ++i) {
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) {
            for (Index line = 0; line < kCompactUnit; line += 64) __builtin_prefetch(unit[p] + kAhead + line);
#pragma GCC unroll 24
            for (int v = 0; v < kVectors; ++v) {
                const int c = p * kVectors + v;
                Lanes pairs[4];
                compactPairs<0>(unit[p], v, pairs[0], pairs[1]);
                compactPairs<1>(unit[p], v, pairs[2], pairs[3]);
#pragma GCC unroll 24
                for (int j = 0; j < 4; ++j) {
                    const Vec low = lowOf(pairs[j]);
#pragma GCC unroll 24
                    for (int t = 0; t < M; ++t) sums[t][c] = addProduct(sums[t][c], set1(x[t][2 * j]), low);
                    const Vec high = highOf(pairs[j]);
#pragma GCC unroll 24
                    for (int t = 0; t < M; ++t) sums[t][c] = addProduct(sums[t][c], set1(x[t][2 * j + 1]), high);
                }
            }
            unit[p] += kCompactUnit;
        }
#pragma GCC unroll 24
        for (int t = 0; t < M; ++t) x[t] += kCompactValues;
    }
    storeSums<M, C>(sums, out, outStride);
}

/// Two pairs of a unit of each panel -> lines 2 * line and 2 * line + 1 at pairs[p].
template <int line, int P>
inline void widenPairs(const char* const* unit, char* const* pairs) {
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 24
        for (int v = 0; v < kVectors; ++v) {
            Lanes first;
            Lanes second;
            compactPairs<line>(reload(unit[p]), v, first, second);
            char* to = pairs[p] + line * 128 + v * kWidth * 4;
            storeLanes(to, first);
            storeLanes(to + 64, second);
        }
    }
}

/// bf16Tile over `units` of k from unit `from` on that widens the panels' codes on its way and leaves them in `wide`
/// for other tiles of rows. It multiplies with one unit while it widens the next, pair by pair, so that the processor
/// finds work for all its ports at any moment.
template <int M, int P>
void wideningTile(const char* const* codes, char* const* wide, const float* const* rows, Index from, Index units,
                  Ahead<P> ahead, float* const* out, Index outStride) {
    constexpr int C = P * kVectors;
    Vec sums[M][C];
    loadSums<M, C>(out, outStride, from > 0, sums);
    const float* x[M];
#pragma GCC unroll 24
    for (int t = 0; t < M; ++t) x[t] = rows[t] + from * kCompactValues;
    const char* unit[P];
    char* pairs[P];
    char* next[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) {
        unit[p] = codes[p];
        pairs[p] = wide[p];
        next[p] = wide[p] + 256;
    }
    widenPairs<0, P>(unit, pairs);
    widenPairs<1, P>(unit, pairs);
    for (Index i = 0; i < units; ++i) {
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) unit[p] += i + 1 < units ? kCompactUnit : 0;  // the last is widened twice
        const auto multiply = [&](Index j) {
            ahead.ask();
            const auto at = [&](int c) { return pairs[c / kVectors] + j * 64 + c % kVectors * kWidth * 4; };
            multiplyStep<M, C>(
                x, 2 * j, [&](int c) { return pairLow(at(c)); }, sums);
            multiplyStep<M, C>(
                x, 2 * j + 1, [&](int c) { return pairHigh(reload(at(c))); }, sums);
        };
        multiply(0);
        multiply(1);
        widenPairs<0, P>(unit, next);
        multiply(2);
        multiply(3);
        widenPairs<1, P>(unit, next);
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) {
            pairs[p] += 256;
            next[p] += 256;
        }
#pragma GCC unroll 24
        for (int t = 0; t < M; ++t) x[t] += kCompactValues;
    }
    storeSums<M, C>(sums, out, outStride);
}

/// `units` of k from unit `from` on of panels first .. first + P - 1.
template <int P>
void widenedPanels(const PanelProductParams& a, const char* const* codes, Index first, Index from, Index units,
                   Index passes) {
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    alignas(64) char wide[P][kLongSegment * 32 + 256];  // and a unit that is widened in vain
    const char* stored[P];
    char* pairs[P];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) {
        stored[p] = codes[first + p] + from * kCompactUnit;
        pairs[p] = wide[p];
    }
    const Index bytes = units * kCompactUnit;
    Index pass = 0;
    forTiles<kMostRows>(a.m, tileHeight, [&]<int M>(Index t) {
        constexpr int Q = kTogether<M, P>;
        float* out[P];
        for (int p = 0; p < P; ++p) out[p] = a.out[first + p] + t * a.outStride;
        for (int q = 0; q < P; q += Q) {
            const Ahead<Q> ahead(stored + q, bytes, bytes, pass, passes, kCompactUnit / 4);
            if (pass == 0) {
                wideningTile<M, Q>(stored + q, pairs + q, rows + t, from, units, ahead, out + q, a.outStride);
            } else {
                bf16Tile<M, Q>(pairs + q, rows + t, from * kCompactValues, units * kCompactValues, ahead, out + q,
                               a.outStride);
            }
        }
        ++pass;
    });
}

/// out = factor * out, the panel's power of two, and then the weights without a code.
inline void finishCompact(const PanelProductParams& a, Index panel) {
    const auto* head = static_cast<const CompactHead*>(a.panel[panel]);
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    const std::int32_t bits = (head->base - kPrescaleBits + 127) * (1 << 23);
    float factor = 0;
    __builtin_memcpy(&factor, &bits, sizeof factor);
    float* to = a.out[panel];
    for (Index t = 0; t < a.m; ++t, to += a.outStride) {
        for (Index c = 0; c < kPanelColumns; c += kWidth) store(to + c, mul(load(to + c), set1(factor)));
        const float* x = rows[t];
        const CompactException* exception = head->first;
        const CompactException* const end = exception + head->count;
        for (; exception != end; ++exception) {
            const std::uint32_t index = exception->index;
            to[index % kPanelColumns] += x[index / kPanelColumns] * (1 / kPrescale) * exception->value;
        }
    }
}

void compactPanels(const PanelProductParams& a) {
    const auto* rows = reinterpret_cast<const float* const*>(a.rows);
    const Index units = (a.k + kCompactValues - 1) / kCompactValues;
    const char* codes[kMostPanels];
    for (Index p = 0; p < a.panels; ++p) codes[p] = static_cast<const char*>(a.panel[p]) + compactHeadBytes(a.k);
    if (a.m <= kDirectCompactRows) {
        forPanels<4>(a.panels, [&]<int P>(Index first) {
            forTiles<kDirectCompactRows>(a.m, equalHeight<kDirectCompactRows>, [&]<int M>(Index) {
                constexpr int Q = kTogether<M, P>;
                for (Index p = first; p < first + P; p += Q)
                    compactTile<M, Q>(codes + p, rows, units, a.out + p, a.outStride);
            });
        });
    } else {
        constexpr Index kUnits = kLongSegment / kCompactValues;
        const Index passes = tilesOf(a.m);
        for (Index from = 0; from < units; from += kUnits) {
            const Index count = kUnits < units - from ? kUnits : units - from;
            forPanels<2>(a.panels, [&]<int P>(Index first) { widenedPanels<P>(a, codes, first, from, count, passes); });
        }
    }
    for (Index p = 0; p < a.panels; ++p) finishCompact(a, p);
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
