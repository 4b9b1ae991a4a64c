#include "engine/vision/position_table.h"

#include "kernels/vision/resample.h"

namespace step3::vision {

std::vector<float> resamplePositions(const std::vector<float>& table, std::int64_t oldGrid, std::int64_t newGrid,
                                     std::int64_t width) {
    if (oldGrid == newGrid) return table;
    const auto taps = kernels::makeFloatTaps(oldGrid, newGrid, kernels::ResampleFilter::kCubic);
    // A grid row is [oldGrid, width]: resizing it along x is the vertical pass over rows of `width` floats.
    std::vector<float> across(static_cast<std::size_t>(oldGrid * newGrid * width));
    for (std::int64_t y = 0; y < oldGrid; ++y) {
        kernels::resampleDownF32(table.data() + y * oldGrid * width, width, taps, across.data() + y * newGrid * width);
    }
    std::vector<float> out(static_cast<std::size_t>(newGrid * newGrid * width));
    kernels::resampleDownF32(across.data(), newGrid * width, taps, out.data());
    return out;
}

}  // namespace step3::vision
