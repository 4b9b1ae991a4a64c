#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/image/image.h"
#include "engine/model/config.h"

namespace step3::image {

/// Where the crops of a picture lie, spec step3-model section 6.2.
struct ImagePlan {
    std::int64_t width = 0, height = 0;              // decoded picture
    bool pad = false;                                // black square canvas first
    std::int64_t globalWidth = 0, globalHeight = 0;  // after the cap to 3024
    std::int64_t window = 0;                         // side of a crop; 0 without crops
    std::int64_t cropWidth = 0, cropHeight = 0;      // picture the crops are cut from; 0 without crops
    struct Box {
        std::int64_t x, y, size;
    };
    std::vector<Box> boxes;     // row-major
    std::vector<bool> newline;  // after crop i
};

/// Throws Error if a side becomes 0 or the picture needs more than `maxTokens` tokens.
ImagePlan planImage(std::int64_t width, std::int64_t height, bool enablePatch = true);
/// Tokens the expanded placeholder takes: crops * (patch tokens + 2) + newlines + image tokens + 2.
std::int64_t imageTokens(const ImagePlan& plan, const model::PreprocessorConfig& config);

/// Input of the vision encoder: float32 [3, size, size] each, normalised.
struct PixelValues {
    ImagePlan plan;
    std::vector<float> global;                // [3, imageSize, imageSize]
    std::vector<std::vector<float>> patches;  // each [3, patchSize, patchSize]
};
PixelValues preprocess(const Image& image, const model::PreprocessorConfig& config, bool enablePatch);

}  // namespace step3::image
