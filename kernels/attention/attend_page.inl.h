#pragma once

// Query rows against one page of K and V with online softmax; included only by cpu/isa_kernels.cpp.
//
// All query heads share one K and one V head, so (token, head) pairs are the rows of two small matrix products:
// S = Q K^T with the dot tile, out += P V with a broadcast tile (spec performance section 4.4). What is stored in fewer
// bits is widened once for all rows into a scratch that stays in the first-level cache: a few keys at a time, then a
// strip of the values' columns at a time.

#include "kernels/attention/kv_rows.inl.h"
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

// The tile of out += P V; its sums, the values of a key and one weight fit into the registers.
#if defined(__AVX2__) && !defined(__AVX512F__)
inline constexpr Index kSumRows = 6;
inline constexpr int kSumVecs = 2;
#else
inline constexpr Index kSumRows = kTileRows;
inline constexpr int kSumVecs = 4;
#endif

inline constexpr Index kKeysAtOnce = 16;
inline constexpr Index kStrip = 64;  // columns of the values; whole groups and whole tiles
static_assert(kStrip % kKvGroup == 0 && kStrip % (kSumVecs * kWidth) == 0);

/// out[t][0 .. C * kWidth) = out * correction + sum over keys of p[t][s] * v[s]
template <int M, int C>
inline void weightedSumTile(const float* p, Index pStride, const float* v, Index vStride, Index keys,
                            const float* correction, float* out, Index outStride) {
    Vec sums[M][C];
    for (int t = 0; t < M; ++t) {
        for (int c = 0; c < C; ++c) sums[t][c] = mul(load(out + t * outStride + c * kWidth), set1(correction[t]));
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
        for (int c = 0; c < C; ++c) store(out + t * outStride + c * kWidth, sums[t][c]);
    }
}

/// `width` columns of M rows of the result.
template <int M>
inline void weightedSumRows(const float* p, Index pStride, const float* v, Index vStride, Index width, Index keys,
                            const float* correction, float* out, Index outStride) {
    Index d = 0;
    for (; d + kSumVecs * kWidth <= width; d += kSumVecs * kWidth) {
        weightedSumTile<M, kSumVecs>(p, pStride, v + d, vStride, keys, correction, out + d, outStride);
    }
    for (; d + kWidth <= width; d += kWidth) {
        weightedSumTile<M, 1>(p, pStride, v + d, vStride, keys, correction, out + d, outStride);
    }
    for (; d < width; ++d) {
        for (int t = 0; t < M; ++t) {
            float sum = out[t * outStride + d] * correction[t];
            for (Index s = 0; s < keys; ++s) sum += p[t * pStride + s] * v[s * vStride + d];
            out[t * outStride + d] = sum;
        }
    }
}

/// The rows in tiles of M, what is left over in smaller ones.
template <int M>
void weightedSum(const AttendPageParams& a, const float* correction, Index row, const float* v, Index vStride,
                 Index column, Index width) {
    for (; row + M <= a.rows; row += M) {
        Index keys = 0;
        for (Index i = row; i < row + M; ++i) keys = a.visible[i] > keys ? a.visible[i] : keys;
        weightedSumRows<M>(a.scores + row * a.scoreStride, a.scoreStride, v, vStride, width, keys, correction + row,
                           a.out + row * a.headDim + column, a.headDim);
    }
    if constexpr (M > 1) {
        if (row < a.rows) weightedSum<M - 1>(a, correction, row, v, vStride, column, width);
    }
}

/// Asks for memory that is needed later, a little with every step: by the time it is needed it is in the second-level
/// cache. Without that, long contexts wait for memory about as long as they compute.
class Prefetch {
public:
    /// `bytes` from `begin` on (null: nothing) within about `steps` steps.
    Prefetch(const void* begin, Index bytes, Index steps)
        : next_(static_cast<const char*>(begin)), lines_(begin == nullptr ? 0 : (bytes + kLine - 1) / kLine) {
        each_ = (lines_ + steps - 1) / steps;
    }
    void step() {
        for (Index i = 0; i < each_ && lines_ > 0; ++i, --lines_, next_ += kLine) __builtin_prefetch(next_, 0, 2);
    }

private:
    static constexpr Index kLine = 64;
    const char* next_;
    Index lines_;
    Index each_;
};

/// scores[t][s] = q[t] . k[s]
template <typename Format>
void scorePage(const AttendPageParams& a) {
    const Index dim = a.headDim;
    const Index rowBytes = Format::rowBytes(dim);
    Prefetch values(a.v, a.keys * rowBytes, (a.keys + 3) / 4 * ((a.rows + kTileRows - 1) / kTileRows));
    const Index wideRow = (dim + kKvGroup - 1) / kKvGroup * kKvGroup;
    for (Index first = 0; first < a.keys; first += kKeysAtOnce) {
        const Index count = a.keys - first < kKeysAtOnce ? a.keys - first : kKeysAtOnce;
        const float* key[kKeysAtOnce];
        for (Index j = 0; j < count; ++j) {
            const char* row = static_cast<const char*>(a.k) + (first + j) * rowBytes;
            if constexpr (__is_same(Format, KvF32)) {
                key[j] = reinterpret_cast<const float*>(row);
            } else {
                Format::widen(row, dim, 0, dim, a.wide + j * wideRow);
                key[j] = a.wide + j * wideRow;
            }
        }
        for (Index t = 0; t < a.rows; t += kTileRows) {
            const Index m = a.rows - t < kTileRows ? a.rows - t : kTileRows;
            for (Index s = 0; s < count; s += 4) {
                RowGroup group{};
                for (Index j = 0; j < 4; ++j) group.row[j] = key[s + j < count ? s + j : count - 1];
                values.step();
                dotRowsOf<F32Format>(a.q + t * dim, dim, m, group, dim, dim, a.scores + t * a.scoreStride + first + s,
                                     a.scoreStride);
            }
        }
    }
}

template <typename Format>
void attendPageOf(const AttendPageParams& a) {
    const Index dim = a.headDim;
    scorePage<Format>(a);
    float correction[kAttendMostRows];
    for (Index t = 0; t < a.rows; ++t) {
        float* scores = a.scores + t * a.scoreStride;
        correction[t] = 1.0F;
        if (a.visible[t] > 0) {
            correction[t] = softmaxRow(scores, a.visible[t], a.scoreStride, a.scale, a.maxima + t, a.sums + t);
        } else {  // a row that sees nothing here must not add what the scratch happened to hold
            for (Index s = 0; s < a.scoreStride; ++s) scores[s] = 0.0F;
        }
    }
    const Index strips = (dim + kStrip - 1) / kStrip;
    const Index rowBytes = Format::rowBytes(dim);
    Prefetch keys(a.nextK, a.keys * rowBytes, strips * a.keys);
    if constexpr (__is_same(Format, KvF32)) {
        const auto* v = static_cast<const float*>(a.v);
        for (Index d = 0; d < dim; d += kStrip) {
            for (Index s = 0; s < a.keys; ++s) keys.step();
            weightedSum<kSumRows>(a, correction, 0, v + d, dim, d, dim - d < kStrip ? dim - d : kStrip);
        }
    } else {
        for (Index d = 0; d < dim; d += kStrip) {
            const Index width = dim - d < kStrip ? dim - d : kStrip;
            for (Index s = 0; s < a.keys; ++s) {
                keys.step();
                Format::widen(static_cast<const char*>(a.v) + s * rowBytes, dim, d, width, a.wide + s * kStrip);
            }
            weightedSum<kSumRows>(a, correction, 0, a.wide, kStrip, d, width);
        }
    }
}

void attendPage(const AttendPageParams& a) {
    switch (a.format) {
        case KvFormat::kF32: return attendPageOf<KvF32>(a);
        case KvFormat::kBf16: return attendPageOf<KvBf16>(a);
        case KvFormat::kFp8: return attendPageOf<KvFp8>(a);
        case KvFormat::kInt8: return attendPageOf<KvInt8>(a);
        case KvFormat::kInt4: return attendPageOf<KvInt4>(a);
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
