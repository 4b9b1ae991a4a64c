#include "kernels/gemm/linear.h"

#include "kernels/cpu/work_split.h"
#include "kernels/gemm/row_group.h"

namespace step3::kernels {
namespace {

/// Unit i of a task is the four rows i, i + q, i + 2q, i + 3q, q = ceil(n / 4): consecutive units then read four
/// streams far apart, which memory serves faster than one (spec performance section 4.1).
std::int64_t unitsOf(const WeightView& w) {
    return (w.n + 3) / 4;
}

void runUnits(const KernelTable& kernels, const float* x, std::int64_t m, const LinearTask& task, std::int64_t begin,
              std::int64_t end) {
    const WeightView& w = task.w;
    const std::int64_t quarter = unitsOf(w);
    const std::int64_t block = rowBlock(w.k);
    float sums[kMostRowBlock * 4];
    for (std::int64_t t0 = 0; t0 < m; t0 += block) {
        const std::int64_t rows = std::min(block, m - t0);
        for (std::int64_t unit = begin; unit < end; ++unit) {
            RowGroup group;
            for (int j = 0; j < 4; ++j) setRow(group, j, w, unit + j * quarter);
            kernels.dotRows(w.dtype, x + t0 * w.k, w.k, rows, group, w.k, w.blockK, sums, 4);
            for (int j = 0; j < 4; ++j) {
                const std::int64_t o = unit + j * quarter;
                if (o >= w.n) break;
                const float bias = task.bias == nullptr ? 0.0F : task.bias[o];
                for (std::int64_t t = 0; t < rows; ++t) task.y[(t0 + t) * w.n + o] = sums[t * 4 + j] + bias;
            }
        }
    }
}

}  // namespace

void linearMany(const KernelTable& kernels, ThreadPool& pool, const float* x, std::int64_t m,
                std::span<const LinearTask> tasks) {
    std::int64_t units = 0;
    for (const LinearTask& task : tasks) units += unitsOf(task.w);
    if (units == 0 || m <= 0) return;
    const std::int64_t grain = pieceUnits(units, 4 * m * tasks.front().w.k, pool.threads());
    pool.parallelFor(units, grain, [&](std::int64_t begin, std::int64_t end) {
        std::int64_t first = 0;  // number of the task's first unit
        for (const LinearTask& task : tasks) {
            const std::int64_t last = first + unitsOf(task.w);
            const std::int64_t from = std::max(begin, first);
            const std::int64_t to = std::min(end, last);
            if (from < to) runUnits(kernels, x, m, task, from - first, to - first);
            first = last;
        }
    });
}

void linear(const KernelTable& kernels, ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w,
            const float* bias, float* y) {
    const LinearTask task{w, bias, y};
    linearMany(kernels, pool, x, m, {&task, 1});
}

void linear(ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y) {
    linear(activeKernels(), pool, x, m, w, bias, y);
}

}  // namespace step3::kernels
