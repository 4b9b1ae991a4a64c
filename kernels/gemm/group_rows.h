#pragma once

#include <cstdint>

#include "kernels/cpu/kernel_table.h"

namespace step3::kernels {

/// Row `row` of a row-major matrix of any format widened to out[k], scales applied.
void widenStoredRow(const KernelTable& kernels, const WeightView& rows, std::int64_t row, float* out);

/// Quantises rows [begin, end) of a row-major matrix of any format; they become the first rows of `target`, rows of a
/// group format with the same k whose blockK, a multiple of 32, is the group size. Writes its codes and scales. Each
/// group's scale is the one of a few that explains its weights best (KernelTable::quantiseInt4), so one group's result
/// depends on nothing else. Returns the first row with a weight that is not finite, whose codes are those of 0, or -1.
std::int64_t quantiseRows(const KernelTable& kernels, const WeightView& rows, std::int64_t begin, std::int64_t end,
                          const WeightView& target);

}  // namespace step3::kernels
