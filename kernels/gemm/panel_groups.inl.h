#pragma once

// Activation rows times weight panels in the group formats; included only by cpu/isa_kernels.cpp.
//
// Within a group of 32 values of k the products of codes are summed as integers, exactly; the group's sum is then
// scaled and added in float32, group after group, so a result does not depend on the tile or the instruction set's way
// of adding integers. Activations are quantised per row and group to signed bytes (GroupActivation).

#include "kernels/cpu/for_tiles.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_pairs.h"
#include "kernels/gemm/compact_product.inl.h"
#include "kernels/gemm/panel_product.inl.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

/// 64 values of k of one activation row: x = scale * code.
struct alignas(16) GroupActivation {
    std::int8_t codes[kBlockValues];  // for dot products of bytes
    std::int16_t wide[kBlockValues];  // the same as 16-bit numbers in the order k, k+2, k+1, k+3
    float scale[2];                   // one a group
    std::int32_t sum[2];              // sum of the group's codes
};
static_assert(sizeof(GroupActivation) <= kGroupActivationBytes);

/// With several rows there is only one stream and more arithmetic between its loads.
template <DType kType, int M>
inline constexpr Index kGroupAhead = (M == 1                       ? 2
                                      : kType == DType::kInt8Group ? 4
                                                                   : 8) *
                                     panelBytes(kType, kBlockValues);

/// Codes of one group in several panels, side by side.
template <int C>
struct GroupCodes {
    const char* at[C];  // a vector of columns; lines of four or eight values of k are 64 bytes apart

    /// Asks for what lies `ahead` bytes behind a line; a panel's block is too short for the processor to see a stream
    /// in it.
    void prefetch(Index line, Index ahead) const {
        for (int c = 0; c < C; c += kVectors) __builtin_prefetch(at[c] + line * 64 + ahead);
    }
};

/// sums[t][c] = products of one group's codes with row t. With one row the columns of all panels advance together, line
/// by line: four streams far apart.
template <int M, int C>
inline void int8Group(const GroupCodes<C>& codes, const GroupActivation* const* x, Index group, Lanes sums[M][C]) {
    for (Index i = 0; i < kGroupValues; i += 4) {
        codes.prefetch(i / 4, kGroupAhead<DType::kInt8Group, M>);
#if defined(__AVX512VNNI__)
        Lanes a[M];
        for (int t = 0; t < M; ++t) a[t] = broadcast32(x[t]->codes + group * kGroupValues + i);
        for (int c = 0; c < C; ++c) {
            const Lanes w = loadLanes(codes.at[c] + i * 16);
            for (int t = 0; t < M; ++t) sums[t][c] = dotBytes(sums[t][c], w, a[t]);
        }
#else
        Lanes even[C];
        Lanes odd[C];
        for (int c = 0; c < C; ++c) {
            const Lanes w = loadLanes(codes.at[c] + i * 16);
            even[c] = evenSigned(w);
            odd[c] = oddSigned(w);
        }
        for (int t = 0; t < M; ++t) {
            const Lanes first = broadcast32(x[t]->wide + group * kGroupValues + i);
            const Lanes second = broadcast32(x[t]->wide + group * kGroupValues + i + 2);
            for (int c = 0; c < C; ++c) {
                sums[t][c] = add32(sums[t][c], add32(multiplyAdd16(even[c], first), multiplyAdd16(odd[c], second)));
            }
        }
#endif
    }
}

template <int M, int C>
inline void int4Group(const GroupCodes<C>& codes, const GroupActivation* const* x, Index group, Lanes sums[M][C]) {
    for (Index i = 0; i < kGroupValues; i += 8) {
        codes.prefetch(i / 8, kGroupAhead<DType::kInt4Group, M>);
        Lanes low[C];
        Lanes high[C];
        for (int c = 0; c < C; ++c) {
            const Lanes w = loadLanes(codes.at[c] + i * 8);
            low[c] = lowNibbles(w);
            high[c] = highNibbles(w);
        }
        for (int t = 0; t < M; ++t) {
            const Lanes first = broadcast32(x[t]->codes + group * kGroupValues + i);
            const Lanes second = broadcast32(x[t]->codes + group * kGroupValues + i + 4);
            for (int c = 0; c < C; ++c) {
#if defined(__AVX512VNNI__)
                sums[t][c] = dotBytes(dotBytes(sums[t][c], low[c], first), high[c], second);
#else
                // At most 8 sums of two products of 15 * 127 each: 30480 fits 16 bits.
                sums[t][c] = add16(sums[t][c], add16(multiplyAdd8(low[c], first), multiplyAdd8(high[c], second)));
#endif
            }
        }
    }
#if !defined(__AVX512VNNI__)
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < C; ++c) sums[t][c] = multiplyAdd16(sums[t][c], ones16());
    }
#endif
}

/// What the codes' offset adds to a group's sum: subtracted as an integer.
template <DType kType>
inline Lanes withoutOffset(Lanes sum, const GroupActivation& x, Index group) {
#if defined(__AVX512VNNI__)
    constexpr std::int32_t kOffset = kType == DType::kInt8Group ? 128 : 8;
#else
    constexpr std::int32_t kOffset = kType == DType::kInt8Group ? 0 : 8;
#endif
    if constexpr (kOffset == 0) return sum;
    const std::int32_t offset = -kOffset * x.sum[group];
    return add32(sum, broadcast32(&offset));
}

template <DType kType, int M, int P>
void groupTile(const char* const* panel, const void* const* rows, Index blocks, float* const* out, Index outStride) {
    constexpr Index kBlockBytes = panelBytes(kType, kBlockValues);
    constexpr Index kGroupBytes = (kBlockBytes - 64) / 2;
    Vec totals[M][P * kVectors];
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) totals[t][c] = zero();
    }
    const GroupActivation* x[M];
    for (int t = 0; t < M; ++t) x[t] = static_cast<const GroupActivation*>(rows[t]);
    const char* block[P];
    for (int p = 0; p < P; ++p) block[p] = panel[p];
    for (Index b = 0; b < blocks; ++b) {
        for (Index g = 0; g < 2; ++g) {
            GroupCodes<P * kVectors> codes;
            for (int c = 0; c < P * kVectors; ++c) {
                codes.at[c] = block[c / kVectors] + 64 + g * kGroupBytes + c % kVectors * kWidth * 4;
            }
            Lanes sums[M][P * kVectors];
            for (int t = 0; t < M; ++t) {
                for (int c = 0; c < P * kVectors; ++c) sums[t][c] = zeroLanes();
            }
            if constexpr (kType == DType::kInt8Group) {
                int8Group<M, P * kVectors>(codes, x, g, sums);
            } else {
                int4Group<M, P * kVectors>(codes, x, g, sums);
            }
            for (int c = 0; c < P * kVectors; ++c) {
                const Vec scale = widenBf16(block[c / kVectors] + (g * kPanelColumns + c % kVectors * kWidth) * 2);
                for (int t = 0; t < M; ++t) {
                    const Vec value = toFloats(withoutOffset<kType>(sums[t][c], *x[t], g));
                    totals[t][c] = fma(mul(scale, set1(x[t]->scale[g])), value, totals[t][c]);
                }
            }
        }
        for (int p = 0; p < P; ++p) block[p] += kBlockBytes;
        for (int t = 0; t < M; ++t) ++x[t];
    }
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < P * kVectors; ++c) store(place(out, c) + t * outStride, totals[t][c]);
    }
}

template <DType kType>
void groupPanels(const PanelProductParams& a) {
    const Index blocks = blocksOf(a.k);
    const auto* panel = reinterpret_cast<const char* const*>(a.panel);
    if (a.m == 1) {
        forPanels<4>(a.panels, [&]<int P>(Index p) {
            groupTile<kType, 1, P>(panel + p, a.rows, blocks, a.out + p, a.outStride);
        });
        return;
    }
    constexpr Index kMost = kType == DType::kInt8Group ? kInt8Rows : kInt4Rows;
    for (Index p = 0; p < a.panels; ++p) {
        forTiles<kMost>(a.m, equalHeight<kMost>, [&]<int M>(Index t) {
            float* const out = a.out[p] + t * a.outStride;
            groupTile<kType, M, 1>(panel + p, a.rows + t, blocks, &out, a.outStride);
        });
    }
}

/// One activation row -> what the panel product of `dtype` reads.
void prepareRow(DType dtype, const float* x, Index k, void* out) {
    if (dtype == DType::kE4M3 || dtype == DType::kCompactBF16) {
        auto* to = static_cast<float*>(out);
        const Vec factor = set1(kPrescale);
        Index i = 0;
        for (; i + kWidth <= k; i += kWidth) store(to + i, mul(load(x + i), factor));
        for (; i < k; ++i) to[i] = x[i] * kPrescale;
        for (; i % 8 != 0; ++i) to[i] = 0.0F;
        return;
    }
    auto* block = static_cast<GroupActivation*>(out);
    alignas(64) float values[kGroupValues];
    for (Index from = 0; from < k; from += kBlockValues, ++block) {
        for (Index g = 0; g < 2; ++g) {
            const Index begin = from + g * kGroupValues;
            for (Index i = 0; i < kGroupValues; i += kWidth) {
                const Index left = k - begin - i;
                store(values + i, left >= kWidth ? load(x + begin + i)
                                  : left > 0     ? loadPart(x + begin + i, left)
                                                 : zero());
            }
            Vec largest = zero();
            for (Index i = 0; i < kGroupValues; i += kWidth) {
                const Vec v = load(values + i);
                largest = max(largest, max(v, sub(zero(), v)));
            }
            const float scale = reduceMax(largest) / 127.0F;
            const Vec inverse = set1(scale > 0.0F ? 1.0F / scale : 0.0F);
            block->scale[g] = scale;
            for (Index i = 0; i < kGroupValues; i += kWidth) store(values + i, nearest(mul(load(values + i), inverse)));
            std::int8_t* codes = block->codes + g * kGroupValues;
            std::int32_t sum = 0;
            for (Index i = 0; i < kGroupValues; ++i) {
                const auto code = static_cast<std::int32_t>(values[i]);
                sum += code;
                codes[i] = static_cast<std::int8_t>(code);
            }
            std::int8_t swapped[kGroupValues];
            for (Index i = 0; i < kGroupValues; i += 4) {
                std::uint32_t word = 0;
                __builtin_memcpy(&word, codes + i, sizeof word);
                word = (word & 0xFF0000FFU) | ((word & 0x0000FF00U) << 8U) | ((word & 0x00FF0000U) >> 8U);
                __builtin_memcpy(swapped + i, &word, sizeof word);
            }
            for (Index i = 0; i < kGroupValues; ++i) block->wide[g * kGroupValues + i] = swapped[i];
            block->sum[g] = sum;
        }
    }
}

void panelProduct(const PanelProductParams& a) {
    switch (a.dtype) {
        case DType::kInt8Group: return groupPanels<DType::kInt8Group>(a);
        case DType::kInt4Group: return groupPanels<DType::kInt4Group>(a);
        case DType::kCompactBF16: return compactPanels(a);
        default: return floatPanels(a);
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
