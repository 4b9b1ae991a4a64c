#include "engine/image/preprocess.h"

#include <algorithm>

#include "engine/image/resize.h"
#include "kernels/vision/resample.h"

namespace step3::image {
namespace {

// (level / 255 - mean) / std for every level of every channel, spec step3-model section 6.4.
kernels::LevelTable normalisedLevels(const model::PreprocessorConfig& config) {
    kernels::LevelTable levels{};
    for (std::size_t c = 0; c < 3; ++c) {
        for (int level = 0; level < 256; ++level) {
            levels.value[c][level] = (static_cast<float>(level) / 255.0F - config.mean[c]) / config.std[c];
        }
    }
    return levels;
}

// Interleaved 8-bit rows -> planar normalised floats, unchanged in size.
std::vector<float> planes(const Image& image, const kernels::LevelTable& levels) {
    const auto pixels = static_cast<std::size_t>(image.width * image.height);
    std::vector<float> out(3 * pixels);
    for (std::size_t c = 0; c < 3; ++c) {
        for (std::size_t i = 0; i < pixels; ++i) out[c * pixels + i] = levels.value[c][image.rgb[i * 3 + c]];
    }
    return out;
}

// Normalised, then resized as floats: x first, then y (sections 5.5 and 6.4). -> [3, side, side]
std::vector<float> toTensor(const Image& image, std::int64_t side, const kernels::LevelTable& levels) {
    const auto taps = [side](std::int64_t in) {
        return kernels::makeFloatTaps(in, side, kernels::ResampleFilter::kTriangle);
    };
    std::vector<float> across;
    if (image.width == side) {
        across = planes(image, levels);
    } else {
        across.resize(static_cast<std::size_t>(3 * image.height * side));
        kernels::resampleAcrossF32(image.rgb.data(), image.width * 3, image.width, image.height, levels,
                                   taps(image.width), across.data());
    }
    if (image.height == side) return across;
    std::vector<float> out(static_cast<std::size_t>(3 * side * side));
    const kernels::Taps<float> down = taps(image.height);
    for (std::int64_t c = 0; c < 3; ++c) {
        kernels::resampleDownF32(across.data() + c * image.height * side, side, down, out.data() + c * side * side);
    }
    return out;
}

}  // namespace

Image globalView(const Image& image, const ImagePlan& plan) {
    return resizeOnCanvas(image, plan.paddedWidth(), plan.paddedHeight(), plan.globalWidth, plan.globalHeight);
}

Image cropSource(const Image& global, const ImagePlan& plan) {
    if (plan.cropWidth == plan.paddedWidth() && plan.cropHeight == plan.paddedHeight()) return global;
    return resizeOnCanvas(global, global.width, global.height, plan.cropWidth, plan.cropHeight);
}

Image cutCrop(const Image& source, const ImagePlan::Box& box) {
    Image crop{box.size, box.size, {}};
    crop.rgb.resize(static_cast<std::size_t>(box.size * box.size * 3));
    const std::int64_t width = std::min(box.size, source.width - box.x);
    const std::int64_t height = std::min(box.size, source.height - box.y);
    for (std::int64_t y = 0; y < height; ++y) {
        std::copy_n(source.rgb.begin() + ((box.y + y) * source.width + box.x) * 3, width * 3,
                    crop.rgb.begin() + y * box.size * 3);
    }
    return crop;
}

PixelValues preprocess(const Image& image, const model::PreprocessorConfig& config, bool enablePatch) {
    const kernels::LevelTable levels = normalisedLevels(config);
    PixelValues pixels;
    pixels.plan = planImage(image.width, image.height, enablePatch && config.enablePatch);
    const Image global = globalView(image, pixels.plan);
    pixels.global = toTensor(global, config.imageSize, levels);
    if (pixels.plan.boxes.empty()) return pixels;
    const Image source = cropSource(global, pixels.plan);
    for (const ImagePlan::Box& box : pixels.plan.boxes) {
        pixels.patches.push_back(toTensor(cutCrop(source, box), config.patchSize, levels));
    }
    return pixels;
}

}  // namespace step3::image
