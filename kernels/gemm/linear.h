#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/dtype.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// y[m, n] = x[m, k] * W[n, k]^T (+ bias[n] if not null). x, bias, y float32 row-major and dense; W in any float format
/// of WeightView, widened to float32, accumulated in float32. m = 1 takes the GEMV path. Chosen per ISA at start.
void linear(ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y);

/// The same with the kernels of a given instruction set.
void linear(const KernelTable& kernels, ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w,
            const float* bias, float* y);

/// One of several products with the same x.
struct LinearTask {
    WeightView w;                 // [n, k]
    const float* bias = nullptr;  // [n] or null
    float* y = nullptr;           // [m, n]
};

/// All tasks in one parallel loop; their k must be equal.
void linearMany(const KernelTable& kernels, ThreadPool& pool, const float* x, std::int64_t m,
                std::span<const LinearTask> tasks);

/// The same in plain loops with double accumulation: what every version is tested against.
void linearReference(const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y);

}  // namespace step3::kernels
