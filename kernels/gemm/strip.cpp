#include "kernels/gemm/strip.h"

#include <algorithm>
#include <vector>

#include "kernels/gemm/group_rows.h"
#include "kernels/gemm/row_group.h"

namespace step3::kernels {
namespace {

/// Row-major: column c of all panels of the strip is a group of rows. Those of group formats are widened first: whoever
/// leaves such weights in their files waits for the disk, not for this.
void rowsProduct(const KernelTable& kernels, const WeightView& w, const StripColumns& at, const void* const* rows,
                 std::int64_t m, float* sums) {
    const auto* x = reinterpret_cast<const float* const*>(rows);
    float dots[kStripRows * 4];
    const bool groups = isGroupFormat(w.dtype);
    std::vector<float> wide(static_cast<std::size_t>(groups ? 4 * w.k : 0));
    for (std::int64_t c = 0; c < kPanelColumns; ++c) {
        RowGroup group;
        for (int p = 0; p < 4; ++p) {
            const std::int64_t row = at.column[static_cast<std::size_t>(std::min<std::int64_t>(p, at.panels - 1))] + c;
            if (!groups) {
                setRow(group, p, w, row);
                continue;
            }
            float* values = wide.data() + p * w.k;
            if (p < at.panels) widenStoredRow(kernels, w, std::min(row, w.n - 1), values);
            group.row[p] = p < at.panels ? values : wide.data();
            group.scale[p] = nullptr;
        }
        for (std::int64_t t0 = 0; t0 < m; t0 += kStripRows) {
            const std::int64_t count = std::min(kStripRows, m - t0);
            kernels.dotRows(groups ? DType::kF32 : w.dtype, x + t0, count, group, w.k, w.blockK, dots, 4);
            for (std::int64_t t = 0; t < count; ++t) {
                float* to = sums + (t0 + t) * at.panels * kPanelColumns + c;
                for (std::int64_t p = 0; p < at.panels; ++p) to[p * kPanelColumns] = dots[t * 4 + p];
            }
        }
    }
}

StripColumns columnsOf(const WeightView& w, const Strips& strips, std::int64_t strip) {
    StripColumns at;
    const std::int64_t all = panelsOf(w.n);
    for (std::int64_t panel = strip; panel < all && at.panels < strips.width; panel += strips.count, ++at.panels) {
        const auto p = static_cast<std::size_t>(at.panels);
        at.column[p] = panel * kPanelColumns;
        at.columns[p] = std::min(kPanelColumns, w.n - at.column[p]);
    }
    return at;
}

/// Column 0 of panel p and row 0 goes to out + at(p), rows lie `stride` apart.
template <typename At>
void panelsProduct(const KernelTable& kernels, const WeightView& w, const StripColumns& columns,
                   const void* const* rows, std::int64_t m, float* out, At at, std::int64_t stride) {
    PanelProductParams params{};
    const std::int64_t bytes = panelBytes(w.dtype, w.k);
    for (std::size_t p = 0; p < static_cast<std::size_t>(columns.panels); ++p) {
        params.panel[p] = static_cast<const char*>(w.data) + columns.column[p] / kPanelColumns * bytes;
        params.scale[p] = w.scaleInv == nullptr ? nullptr : w.scaleInv + columns.column[p] / w.blockN * w.scaleStride;
        params.out[p] = out + at(p);
    }
    params.dtype = w.dtype;
    params.panels = columns.panels;
    params.rows = rows;
    params.m = m;
    params.k = w.k;
    params.blockK = w.blockK;
    params.outStride = stride;
    kernels.panelProduct(params);
}

void productToSums(const KernelTable& kernels, const WeightView& w, const StripColumns& columns,
                   const void* const* rows, std::int64_t m, float* sums) {
    if (w.layout == Layout::kRows) return rowsProduct(kernels, w, columns, rows, m, sums);
    const auto at = [](std::size_t p) { return static_cast<std::int64_t>(p) * kPanelColumns; };
    panelsProduct(kernels, w, columns, rows, m, sums, at, columns.panels * kPanelColumns);
}

}  // namespace

Strips::Strips(const WeightView& w, std::int64_t panelsOfStrip)
    : width(panelsOfStrip), count((panelsOf(w.n) + panelsOfStrip - 1) / panelsOfStrip) {}

StripColumns stripProduct(const KernelTable& kernels, const WeightView& w, const Strips& strips, std::int64_t strip,
                          const void* const* rows, std::int64_t m, float* sums) {
    const StripColumns columns = columnsOf(w, strips, strip);
    productToSums(kernels, w, columns, rows, m, sums);
    return columns;
}

void stripProductInto(const KernelTable& kernels, const WeightView& w, const Strips& strips, std::int64_t strip,
                      const void* const* rows, std::int64_t m, float* sums, float* y) {
    const StripColumns columns = columnsOf(w, strips, strip);
    const auto last = static_cast<std::size_t>(columns.panels - 1);
    if (w.layout != Layout::kRows && columns.columns[last] == kPanelColumns) {  // only the last can lack columns
        panelsProduct(
            kernels, w, columns, rows, m, y, [&](std::size_t p) { return columns.column[p]; }, w.n);
        return;
    }
    productToSums(kernels, w, columns, rows, m, sums);
    for (std::size_t p = 0; p <= last; ++p) {
        const float* from = sums + static_cast<std::int64_t>(p) * kPanelColumns;
        float* to = y + columns.column[p];
        for (std::int64_t t = 0; t < m; ++t, from += columns.panels * kPanelColumns, to += w.n) {
            std::copy_n(from, columns.columns[p], to);
        }
    }
}

}  // namespace step3::kernels
