#pragma once

// Dot products of activation rows with four stored weight rows; included only by cpu/isa_kernels.cpp.
//
// The tile keeps M x 4 sums in registers and runs along k, so weights are read in checkpoint order (no repacking) and
// widened once for M activation rows. Each sum has one accumulator and one order of additions whatever M is.

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

/// sums[i][j] += x row i . weight row j over `length` elements; `scale` holds one factor per weight row.
template <typename Format, int M>
inline void dotSegment(const float* const* x, const char* const* w, const Vec* scale, Index length, Vec (*sums)[4]) {
    Index i = 0;
    for (; i + kWidth <= length; i += kWidth) {
        Vec xs[M];
        for (int t = 0; t < M; ++t) xs[t] = load(x[t] + i);
        for (int j = 0; j < 4; ++j) {
            Vec weights = Format::load(w[j] + i * Format::kBytes);
            if constexpr (Format::kScaled) weights = mul(weights, scale[j]);
            for (int t = 0; t < M; ++t) sums[t][j] = fma(xs[t], weights, sums[t][j]);
        }
    }
    if (i < length) {
        const Index rest = length - i;
        Vec xs[M];
        for (int t = 0; t < M; ++t) xs[t] = loadPart(x[t] + i, rest);
        for (int j = 0; j < 4; ++j) {
            Vec weights = Format::loadPart(w[j] + i * Format::kBytes, rest);
            if constexpr (Format::kScaled) weights = mul(weights, scale[j]);
            for (int t = 0; t < M; ++t) sums[t][j] = fma(xs[t], weights, sums[t][j]);
        }
    }
}

template <typename Format, int M>
void dotTile(const float* const* x, const RowGroup& rows, Index k, Index blockK, float* out, Index outStride) {
    Vec sums[M][4];
    for (int t = 0; t < M; ++t) {
        for (int j = 0; j < 4; ++j) sums[t][j] = zero();
    }
    const float* xRows[M];
    for (int t = 0; t < M; ++t) xRows[t] = x[t];
    const char* w[4];
    for (int j = 0; j < 4; ++j) w[j] = static_cast<const char*>(rows.row[j]);
    if constexpr (Format::kScaled) {
        for (Index start = 0, block = 0; start < k; start += blockK, ++block) {
            const Index length = blockK < k - start ? blockK : k - start;
            Vec scale[4];
            for (int j = 0; j < 4; ++j) {
                scale[j] = set1((rows.scale[j] == nullptr ? 1.0F : rows.scale[j][block]) * Format::kFactor);
            }
            dotSegment<Format, M>(xRows, w, scale, length, sums);
            for (int t = 0; t < M; ++t) xRows[t] += length;
            for (int j = 0; j < 4; ++j) w[j] += length * Format::kBytes;
        }
    } else {
        dotSegment<Format, M>(xRows, w, nullptr, k, sums);
    }
    for (int t = 0; t < M; ++t) reduceAdd4(sums[t][0], sums[t][1], sums[t][2], sums[t][3], out + t * outStride);
}

template <typename Format, int M>
void dotTilesUpTo(const float* const* x, Index m, const RowGroup& rows, Index k, Index blockK, float* out,
                  Index outStride) {
    for (; m >= M; m -= M, x += M, out += M * outStride) dotTile<Format, M>(x, rows, k, blockK, out, outStride);
    if constexpr (M > 1) {
        if (m > 0) dotTilesUpTo<Format, M - 1>(x, m, rows, k, blockK, out, outStride);
    }
}

/// out[t * outStride + j] = dot(x row t, weight row j); x rows lie xStride apart.
template <typename Format>
void dotRowsOf(const float* x, Index xStride, Index m, const RowGroup& rows, Index k, Index blockK, float* out,
               Index outStride) {
    const float* pointers[kTileRows];
    for (Index t = 0; t < m; t += kTileRows) {
        const Index count = m - t < kTileRows ? m - t : kTileRows;
        for (Index i = 0; i < count; ++i) pointers[i] = x + (t + i) * xStride;
        dotTilesUpTo<Format, kTileRows>(pointers, count, rows, k, blockK, out + t * outStride, outStride);
    }
}

void dotRows(DType dtype, const float* const* x, Index m, const RowGroup& rows, Index k, Index blockK, float* out,
             Index outStride) {
    switch (dtype) {
        case DType::kF32: return dotTilesUpTo<F32Format, kTileRows>(x, m, rows, k, blockK, out, outStride);
        case DType::kF16: return dotTilesUpTo<F16Format, kTileRows>(x, m, rows, k, blockK, out, outStride);
        case DType::kBF16: return dotTilesUpTo<Bf16Format, kTileRows>(x, m, rows, k, blockK, out, outStride);
        case DType::kE4M3: return dotTilesUpTo<E4m3Format, kTileRows>(x, m, rows, k, blockK, out, outStride);
        default: return;
    }
}

template <typename Format>
void widenRowOf(const void* row, const float* scale, Index k, Index blockK, float* out) {
    const char* w = static_cast<const char*>(row);
    const Index step = Format::kScaled ? blockK : k;
    for (Index start = 0, block = 0; start < k; start += step, ++block) {
        const Index end = step < k - start ? start + step : k;
        const Vec factor = set1((Format::kScaled && scale != nullptr ? scale[block] : 1.0F) * Format::kFactor);
        Index i = start;
        for (; i + kWidth <= end; i += kWidth) store(out + i, mul(Format::load(w + i * Format::kBytes), factor));
        if (i < end) storePart(out + i, mul(Format::loadPart(w + i * Format::kBytes, end - i), factor), end - i);
    }
}

void widenRow(DType dtype, const void* row, const float* scale, Index k, Index blockK, float* out) {
    switch (dtype) {
        case DType::kF32: return widenRowOf<F32Format>(row, scale, k, blockK, out);
        case DType::kF16: return widenRowOf<F16Format>(row, scale, k, blockK, out);
        case DType::kBF16: return widenRowOf<Bf16Format>(row, scale, k, blockK, out);
        case DType::kE4M3: return widenRowOf<E4m3Format>(row, scale, k, blockK, out);
        default: return;
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
