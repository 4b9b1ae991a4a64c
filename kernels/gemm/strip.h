#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels {

/// Output features of a matrix that are computed together: up to four runs of 16, far apart in memory, because memory
/// serves four streams faster than one (spec performance section 4.1). Strip i of a matrix with p panels, `width` a
/// strip and q = ceil(p / width) has panels i, i + q, i + 2q ...; consecutive strips continue the same streams.
/// Row-major matrices are cut the same way, each row of a panel being a row of the matrix.
struct Strips {
    /// `parts`: strips are made narrower than four panels if there would be fewer than this.
    Strips(const WeightView& w, std::int64_t parts);

    std::int64_t width;  // panels of a strip, 1 .. 4
    std::int64_t count;  // strips
};

/// One strip of outputs: columns of panel p begin at column[p]; the last panel of a matrix may have fewer than 16.
struct StripColumns {
    std::int64_t panels = 0;
    std::array<std::int64_t, kMostPanels> column{};
    std::array<std::int64_t, kMostPanels> columns{};
};

/// sums [m, 16 * panels] = rows * strip^T; `rows` [m] are prepared for `w` (PreparedRows), sums of missing columns are
/// arbitrary.
StripColumns stripProduct(const KernelTable& kernels, const WeightView& w, const Strips& strips, std::int64_t strip,
                          const void* const* rows, std::int64_t m, float* sums);

/// Rows multiplied with a strip before the next strip: they stay in the second-level cache meanwhile.
inline constexpr std::int64_t kStripRows = 96;

}  // namespace step3::kernels
