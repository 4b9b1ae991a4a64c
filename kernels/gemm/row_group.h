#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"

namespace step3::kernels {

/// Points slot `slot` of a group at row `row` of `w`; a row past the end repeats the last one (its result is not used).
inline void setRow(RowGroup& group, int slot, const WeightView& w, std::int64_t row) {
    row = std::min(row, w.n - 1);
    group.row[slot] = static_cast<const char*>(w.data) + row * rowBytes(w.dtype, w.k);
    group.scale[slot] = w.scaleInv == nullptr ? nullptr : w.scaleInv + (row / w.blockN) * w.scaleStride;
}

}  // namespace step3::kernels
