#pragma once

#include <cstdint>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// RMS(x; w)_i = w_i * x_i / sqrt(mean_j x_j^2 + eps) for every row (spec step3-model section 2).
struct RmsNormParams {
    const float* x;  // [rows, width]
    const float* w;  // [width]
    float* out;      // [rows, width], may be x
    std::int64_t rows;
    std::int64_t width;
    float eps;
};

void rmsNorm(const KernelTable& kernels, ThreadPool& pool, const RmsNormParams& params);
/// Plain loops, double accumulation.
void rmsNormReference(const RmsNormParams& params);

}  // namespace step3::kernels
