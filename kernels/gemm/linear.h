#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/dtype.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/gemm/activations.h"

namespace step3::kernels {

/// Buffers of linear layers, kept between calls.
struct LinearWorkspace {
    PreparedRowSets rows;
};

/// y[m, n] = x[m, k] * W[n, k]^T (+ bias[n] if not null). x, bias, y float32 row-major and dense; W in any format and
/// layout of WeightView. Float formats are widened to float32 and accumulated in float32; group formats multiply
/// activations quantised to 8 bits per 32 values. Chosen per ISA at start.
void linear(ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y);

/// The same with the kernels of a given instruction set.
void linear(const KernelTable& kernels, ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w,
            const float* bias, float* y);
void linear(const KernelTable& kernels, ThreadPool& pool, LinearWorkspace& workspace, const float* x, std::int64_t m,
            const WeightView& w, const float* bias, float* y);

/// One of several products with the same x.
struct LinearTask {
    WeightView w;                 // [n, k]
    const float* bias = nullptr;  // [n] or null
    float* y = nullptr;           // [m, n]
};

/// All tasks in one parallel loop; their k must be equal.
void linearMany(const KernelTable& kernels, ThreadPool& pool, LinearWorkspace& workspace, const float* x,
                std::int64_t m, std::span<const LinearTask> tasks);

/// The same in plain loops with double accumulation: what every version is tested against.
void linearReference(const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y);

}  // namespace step3::kernels
