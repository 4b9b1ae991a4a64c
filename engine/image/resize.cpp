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
    Image result{width, height, {}};
    result.rgb.resize(static_cast<std::size_t>(width * height * 3));
    if (width != canvasWidth && height != canvasHeight) {
        kernels::resampleU8(image.rgb.data(), image.width, image.height, axisTaps(canvasWidth, width, image.width),
                            axisTaps(canvasHeight, height, image.height), result.rgb.data());
        return result;
    }
    if (width != canvasWidth) {  // rows below the picture stay black
        kernels::resampleAcrossU8(image.rgb.data(), image.width * 3, image.width, image.height,
                                  axisTaps(canvasWidth, width, image.width), result.rgb.data());
        return result;
    }
    // Rows padded on the right, into the result if the height stays too.
    const bool down = height != canvasHeight;
    std::vector<std::uint8_t> padded(down && image.width != width ? static_cast<std::size_t>(image.height * width * 3)
                                                                  : 0);
    const std::uint8_t* rows = image.rgb.data();
    if (image.width != width || !down) {
        std::uint8_t* target = down ? padded.data() : result.rgb.data();
        for (std::int64_t y = 0; y < image.height; ++y)
            std::copy_n(image.rgb.begin() + y * image.width * 3, image.width * 3, target + y * width * 3);
        rows = target;
    }
    if (down) kernels::resampleDownU8(rows, width * 3, axisTaps(canvasHeight, height, image.height), result.rgb.data());
    return result;
}

}  // namespace step3::image
