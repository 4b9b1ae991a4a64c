#include "engine/image/resize.h"

#include <algorithm>

#include "kernels/vision/resample.h"

namespace step3::image {
namespace {

kernels::Taps<std::int32_t> axisTaps(std::int64_t canvas, std::int64_t out, std::int64_t available) {
    auto taps = kernels::fixedPointTaps(kernels::makeTaps(canvas, out, kernels::ResampleFilter::kTriangle));
    kernels::clipTaps(taps, available);
    return taps;
}

}  // namespace

Image resizeOnCanvas(const Image& image, std::int64_t canvasWidth, std::int64_t canvasHeight, std::int64_t width,
                     std::int64_t height) {
    // Horizontal pass, or a copy that pads on the right; rows below the picture come with the vertical pass.
    Image across{width, image.height, {}};
    across.rgb.resize(static_cast<std::size_t>(across.width * across.height * 3));
    if (width != canvasWidth) {
        kernels::resampleAcrossU8(image.rgb.data(), image.width * 3, image.width, image.height,
                                  axisTaps(canvasWidth, width, image.width), across.rgb.data());
    } else {
        for (std::int64_t y = 0; y < image.height; ++y) {
            std::copy_n(image.rgb.begin() + y * image.width * 3, image.width * 3, across.rgb.begin() + y * width * 3);
        }
    }
    if (height == canvasHeight) {
        across.rgb.resize(static_cast<std::size_t>(width * height * 3));
        across.height = height;
        return across;
    }
    Image result{width, height, {}};
    result.rgb.resize(static_cast<std::size_t>(width * height * 3));
    kernels::resampleDownU8(across.rgb.data(), width * 3, axisTaps(canvasHeight, height, image.height),
                            result.rgb.data());
    return result;
}

}  // namespace step3::image
