#pragma once

// Element-wise loops of the FFN, of merging attention parts and of looking at results; included only by
// cpu/isa_kernels.cpp.

#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

inline Vec silu(Vec a) {
    return div(a, add(set1(1.0F), exp(sub(zero(), a))));
}

void siluMul(const float* gate, const float* up, Index n, float* out) {
    Index i = 0;
    for (; i + kWidth <= n; i += kWidth) store(out + i, mul(silu(load(gate + i)), load(up + i)));
    if (i < n) storePart(out + i, mul(silu(loadPart(gate + i, n - i)), loadPart(up + i, n - i)), n - i);
}

void addScaled(float* y, const float* x, float a, Index n) {
    const Vec factor = set1(a);
    Index i = 0;
    for (; i + kWidth <= n; i += kWidth) store(y + i, fma(factor, load(x + i), load(y + i)));
    if (i < n) storePart(y + i, fma(factor, loadPart(x + i, n - i), loadPart(y + i, n - i)), n - i);
}

void scaleAdd(float* y, float a, const float* x, float b, Index n) {
    const Vec va = set1(a);
    const Vec vb = set1(b);
    Index i = 0;
    for (; i + kWidth <= n; i += kWidth) store(y + i, fma(vb, load(x + i), mul(va, load(y + i))));
    if (i < n) storePart(y + i, fma(vb, loadPart(x + i, n - i), mul(va, loadPart(y + i, n - i))), n - i);
}

bool allFinite(const float* x, Index n) {
    // 0 * x is 0 for every finite x and NaN for all others, and NaN stays in a sum.
    Vec sums[4] = {zero(), zero(), zero(), zero()};
    Index i = 0;
    for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
        for (int j = 0; j < 4; ++j) sums[j] = fma(zero(), load(x + i + j * kWidth), sums[j]);
    }
    for (; i < n; i += kWidth) {
        sums[0] = fma(zero(), n - i >= kWidth ? load(x + i) : loadPart(x + i, n - i), sums[0]);
    }
    return reduceAdd(add(add(sums[0], sums[1]), add(sums[2], sums[3]))) == 0.0F;
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
