#pragma once

// RMS norm of one row; included only by cpu/isa_kernels.cpp.

#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

void rmsNorm(const float* x, const float* w, Index n, float eps, float* out) {
    Vec even = zero();
    Vec odd = zero();
    Index i = 0;
    for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
        const Vec a = load(x + i);
        const Vec b = load(x + i + kWidth);
        even = fma(a, a, even);
        odd = fma(b, b, odd);
    }
    for (; i < n; i += kWidth) {
        const Vec a = n - i >= kWidth ? load(x + i) : loadPart(x + i, n - i);
        even = fma(a, a, even);
    }
    const Vec factor = set1(1.0F / __builtin_sqrtf(reduceAdd(add(even, odd)) / static_cast<float>(n) + eps));
    for (i = 0; i + kWidth <= n; i += kWidth) store(out + i, mul(load(w + i), mul(load(x + i), factor)));
    if (i < n) storePart(out + i, mul(loadPart(w + i, n - i), mul(loadPart(x + i, n - i), factor)), n - i);
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
