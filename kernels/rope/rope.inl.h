#pragma once

// Rotary embedding of one head of one token, halves form; included only by cpu/isa_kernels.cpp.

#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

void rope(float* x, const float* cosines, const float* sines, Index half) {
    float* y = x + half;
    Index i = 0;
    for (; i + kWidth <= half; i += kWidth) {
        const Vec a = load(x + i);
        const Vec b = load(y + i);
        const Vec c = load(cosines + i);
        const Vec s = load(sines + i);
        store(x + i, sub(mul(a, c), mul(b, s)));
        store(y + i, add(mul(b, c), mul(a, s)));
    }
    for (; i < half; ++i) {
        const float a = x[i];
        const float b = y[i];
        x[i] = a * cosines[i] - b * sines[i];
        y[i] = b * cosines[i] + a * sines[i];
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
