#pragma once

#include <cstdint>
#include <vector>

namespace step3::vision {

/// Position embeddings for another grid, spec step3-model sections 5.1 and 5.5: bicubic (a = -0.5), antialiased, in
/// float32, x first, then y. `table` [oldGrid * oldGrid, width] row-major -> [newGrid * newGrid, width]; unchanged for
/// equal grids.
std::vector<float> resamplePositions(const std::vector<float>& table, std::int64_t oldGrid, std::int64_t newGrid,
                                     std::int64_t width);

}  // namespace step3::vision
