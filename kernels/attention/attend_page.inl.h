#pragma once

// Query rows against one page of K and V with online softmax; included only by cpu/isa_kernels.cpp.
//
// All query heads share one K and one V head, so (token, head) pairs are the rows of two small matrix products:
// S = Q K^T with the dot tile, out += P V with a broadcast tile (spec performance section 4.4).

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd.h"
#include "kernels/gemm/dot_rows.inl.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

/// Turns one row of scores into probabilities relative to the row's new maximum; returns the factor for what was summed
/// before. Keys past `visible` become exactly 0.
inline float softmaxRow(float* scores, Index visible, Index stride, float scale, float* maximum, float* sum) {
    const Vec factor = set1(scale);
    Vec best = set1(*maximum);
    const Vec old = best;
    for (Index i = 0; i < visible; i += kWidth) {
        Vec s = mul(load(scores + i), factor);
        if (visible - i < kWidth) s = firstOr(s, visible - i, old);
        best = max(best, s);
    }
    const float newMaximum = reduceMax(best);
    const Vec shift = set1(newMaximum);
    Vec total = zero();
    for (Index i = 0; i < stride; i += kWidth) {
        Vec p = zero();
        if (i < visible) {
            p = exp(sub(mul(load(scores + i), factor), shift));
            if (visible - i < kWidth) p = firstOr(p, visible - i, zero());
        }
        store(scores + i, p);
        total = add(total, p);
    }
    alignas(64) float correction[kWidth];
    store(correction, exp(sub(old, shift)));
    *maximum = newMaximum;
    *sum = *sum * correction[0] + reduceAdd(total);
    return correction[0];
}

/// out[t][0 .. C * kWidth) = out * correction + sum over keys of p[t][s] * v[s]
template <int M, int C>
inline void weightedSumTile(const float* p, Index pStride, const float* v, Index vStride, Index keys,
                            const float* correction, float* out) {
    Vec sums[M][C];
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < C; ++c) sums[t][c] = mul(load(out + t * vStride + c * kWidth), set1(correction[t]));
    }
    for (Index s = 0; s < keys; ++s) {
        Vec values[C];
        for (int c = 0; c < C; ++c) values[c] = load(v + s * vStride + c * kWidth);
        for (int t = 0; t < M; ++t) {
            const Vec weight = set1(p[t * pStride + s]);
            for (int c = 0; c < C; ++c) sums[t][c] = fma(weight, values[c], sums[t][c]);
        }
    }
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < C; ++c) store(out + t * vStride + c * kWidth, sums[t][c]);
    }
}

template <int M>
inline void weightedSumRows(const float* p, Index pStride, const float* v, Index dim, Index keys,
                            const float* correction, float* out) {
    Index d = 0;
    for (; d + 4 * kWidth <= dim; d += 4 * kWidth) {
        weightedSumTile<M, 4>(p, pStride, v + d, dim, keys, correction, out + d);
    }
    for (; d + kWidth <= dim; d += kWidth) weightedSumTile<M, 1>(p, pStride, v + d, dim, keys, correction, out + d);
    for (; d < dim; ++d) {
        for (int t = 0; t < M; ++t) {
            float sum = out[t * dim + d] * correction[t];
            for (Index s = 0; s < keys; ++s) sum += p[t * pStride + s] * v[s * dim + d];
            out[t * dim + d] = sum;
        }
    }
}

void attendPage(const AttendPageParams& a) {
    const Index dim = a.headDim;
    for (Index s = 0; s < a.keys; s += 4) {
        RowGroup group{};
        for (Index j = 0; j < 4; ++j) group.row[j] = a.k + (s + j < a.keys ? s + j : a.keys - 1) * dim;
        dotRowsOf<F32Format>(a.q, dim, a.rows, group, dim, dim, a.scores + s, a.scoreStride);
    }
    float correction[kTileRows];
    Index t = 0;
    while (t < a.rows) {
        const Index m = a.rows - t < kTileRows ? a.rows - t : kTileRows;
        Index keys = 0;
        for (Index i = 0; i < m; ++i) {
            const Index visible = a.visible[t + i];
            keys = visible > keys ? visible : keys;
            correction[i] = visible == 0 ? 1.0F
                                         : softmaxRow(a.scores + (t + i) * a.scoreStride, visible, a.scoreStride,
                                                      a.scale, a.maxima + t + i, a.sums + t + i);
            // A row that sees nothing here must not add what the scratch happened to hold.
            if (visible == 0) {
                for (Index s = 0; s < a.scoreStride; ++s) a.scores[(t + i) * a.scoreStride + s] = 0.0F;
            }
        }
        const float* p = a.scores + t * a.scoreStride;
        float* out = a.out + t * dim;
        switch (m) {
            case 1: weightedSumRows<1>(p, a.scoreStride, a.v, dim, keys, correction, out); break;
            case 2: weightedSumRows<2>(p, a.scoreStride, a.v, dim, keys, correction, out); break;
            case 3: weightedSumRows<3>(p, a.scoreStride, a.v, dim, keys, correction, out); break;
            case 4: weightedSumRows<4>(p, a.scoreStride, a.v, dim, keys, correction, out); break;
            case 5: weightedSumRows<5>(p, a.scoreStride, a.v, dim, keys, correction, out); break;
            default: weightedSumRows<kTileRows>(p, a.scoreStride, a.v, dim, keys, correction, out); break;
        }
        t += m;
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
