#include "kernels/gemm/linear.h"

#include <algorithm>

#include "kernels/cpu/work_split.h"
#include "kernels/gemm/strip.h"

namespace step3::kernels {
namespace {

/// Strips [begin, end) of a task; `rows` [m] are prepared for its weights.
void runStrips(const KernelTable& kernels, const void* const* rows, std::int64_t m, const LinearTask& task,
               const Strips& strips, std::int64_t begin, std::int64_t end) {
    alignas(64) float sums[kStripRows * kMostPanels * kPanelColumns];
    for (std::int64_t t0 = 0; t0 < m; t0 += kStripRows) {
        const std::int64_t count = std::min(kStripRows, m - t0);
        for (std::int64_t strip = begin; strip < end; ++strip) {
            float* y = task.y + t0 * task.w.n;
            if (task.bias == nullptr) {
                stripProductInto(kernels, task.w, strips, strip, rows + t0, count, sums, y);
                continue;
            }
            const StripColumns at = stripProduct(kernels, task.w, strips, strip, rows + t0, count, sums);
            for (std::size_t p = 0; p < static_cast<std::size_t>(at.panels); ++p) {
                const float* from = sums + static_cast<std::int64_t>(p) * kPanelColumns;
                const float* bias = task.bias + at.column[p];
                float* to = y + at.column[p];
                for (std::int64_t t = 0; t < count; ++t, from += at.panels * kPanelColumns, to += task.w.n) {
                    for (std::int64_t c = 0; c < at.columns[p]; ++c) to[c] = from[c] + bias[c];
                }
            }
        }
    }
}

}  // namespace

void linearMany(const KernelTable& kernels, ThreadPool& pool, LinearWorkspace& workspace, const float* x,
                std::int64_t m, std::span<const LinearTask> tasks) {
    if (m <= 0) return;
    workspace.rows.clear();
    std::int64_t work = 0;
    for (const LinearTask& task : tasks) {
        workspace.rows.prepare(kernels, pool, task.w, x, m);
        work += task.w.n * task.w.k * m;
    }
    if (work == 0) return;
    const auto stripsOf = [&](std::int64_t width) {
        std::int64_t count = 0;
        for (const LinearTask& task : tasks) count += Strips(task.w, width).count;
        return count;
    };
    const std::int64_t width = stripWidth(pool, work, stripsOf);
    const std::int64_t total = stripsOf(width);
    pool.parallelFor(total, productPieceUnits(pool, total, work), [&](std::int64_t begin, std::int64_t end) {
        std::int64_t first = 0;  // number of the task's first strip
        for (const LinearTask& task : tasks) {
            const Strips strips(task.w, width);
            const std::int64_t from = std::max(begin, first) - first;
            const std::int64_t to = std::min(end - first, strips.count);
            first += strips.count;
            if (from < to) runStrips(kernels, workspace.rows.of(task.w), m, task, strips, from, to);
        }
    });
}

void linear(const KernelTable& kernels, ThreadPool& pool, LinearWorkspace& workspace, const float* x, std::int64_t m,
            const WeightView& w, const float* bias, float* y) {
    const LinearTask task{w, bias, y};
    linearMany(kernels, pool, workspace, x, m, {&task, 1});
}

void linear(const KernelTable& kernels, ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w,
            const float* bias, float* y) {
    LinearWorkspace workspace;
    linear(kernels, pool, workspace, x, m, w, bias, y);
}

void linear(ThreadPool& pool, const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y) {
    linear(activeKernels(), pool, x, m, w, bias, y);
}

}  // namespace step3::kernels
