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

}  // namespace

Strips::Strips(const WeightView& w, std::int64_t parts) : width(kMostPanels) {
    const std::int64_t panels = panelsOf(w.n);
    while (width > 1 && panels / width < parts) width /= 2;
    count = (panels + width - 1) / width;
}

StripColumns stripProduct(const KernelTable& kernels, const WeightView& w, const Strips& strips, std::int64_t strip,
                          const void* const* rows, std::int64_t m, float* sums) {
    StripColumns at;
    PanelProductParams params{};
    const std::int64_t all = panelsOf(w.n);
    const std::int64_t bytes = panelBytes(w.dtype, w.k);
    for (std::int64_t panel = strip; panel < all && at.panels < strips.width; panel += strips.count, ++at.panels) {
        const auto p = static_cast<std::size_t>(at.panels);
        at.column[p] = panel * kPanelColumns;
        at.columns[p] = std::min(kPanelColumns, w.n - at.column[p]);
        params.panel[p] = static_cast<const char*>(w.data) + panel * bytes;
        params.scale[p] = w.scaleInv == nullptr ? nullptr : w.scaleInv + at.column[p] / w.blockN * w.scaleStride;
    }
    if (w.layout == Layout::kRows) {
        rowsProduct(kernels, w, at, rows, m, sums);
        return at;
    }
    params.dtype = w.dtype;
    params.panels = at.panels;
    params.rows = rows;
    params.m = m;
    params.k = w.k;
    params.blockK = w.blockK;
    params.out = sums;
    kernels.panelProduct(params);
    return at;
}

}  // namespace step3::kernels
