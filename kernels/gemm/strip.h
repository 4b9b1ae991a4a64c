#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels {

/// Output features of a matrix that are computed together: up to four runs of 16, far apart in memory, because memory
/// serves four streams faster than one (spec performance section 4.1). Strip i of a matrix with p panels, `width` a
/// strip and q = ceil(p / width) has panels i, i + q, i + 2q ...; consecutive strips continue the same streams.
/// Row-major matrices are cut the same way, each row of a panel being a row of the matrix.
struct Strips {
    Strips(const WeightView& w, std::int64_t panelsOfStrip);

    std::int64_t width;  // panels of a strip, 1 .. 4
    std::int64_t count;  // strips
};

/// One strip of outputs: columns of panel p begin at column[p]; the last panel of a matrix may have fewer than 16.
struct StripColumns {
    std::int64_t panels = 0;
    std::array<std::int64_t, kMostPanels> column{};
    std::array<std::int64_t, kMostPanels> columns{};
};

/// Panels of a strip for a loop over strips of `work` multiply-adds: four unless that leaves too few strips for the
/// threads. `count(width)`: strips of that width in the loop.
template <typename Count>
std::int64_t stripWidth(const ThreadPool& pool, std::int64_t work, Count count) {
    const std::int64_t least = pool.runsInline(work) ? 1 : 3 * static_cast<std::int64_t>(pool.threads());
    std::int64_t width = kMostPanels;
    while (width > 1 && count(width) < least) width /= 2;
    return width;
}

/// sums [m, 16 * panels] = rows * strip^T; `rows` [m] are prepared for `w` (PreparedRows), sums of missing columns are
/// arbitrary.
StripColumns stripProduct(const KernelTable& kernels, const WeightView& w, const Strips& strips, std::int64_t strip,
                          const void* const* rows, std::int64_t m, float* sums);

/// The same into the strip's columns of y [m, n]; `sums` is scratch.
void stripProductInto(const KernelTable& kernels, const WeightView& w, const Strips& strips, std::int64_t strip,
                      const void* const* rows, std::int64_t m, float* sums, float* y);

/// Rows multiplied with a strip before the next strip: they stay in the second-level cache meanwhile.
inline constexpr std::int64_t kStripRows = 96;

}  // namespace step3::kernels
