#pragma once

// Weights of a distribution over the vocabulary; included only by cpu/isa_kernels.cpp.

#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

void expScaled(const float* x, Index n, float shift, float factor, float* out) {
    const Vec from = set1(shift);
    const Vec scale = set1(factor);
    const auto weight = [&](Vec values) { return exp(mul(sub(values, from), scale)); };
    Index i = 0;
    for (; i + kWidth <= n; i += kWidth) store(out + i, weight(load(x + i)));
    if (i < n) storePart(out + i, weight(loadPart(x + i, n - i)), n - i);
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
