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

    [[nodiscard]] std::int64_t paddedWidth() const { return pad && height > width ? height : width; }
    [[nodiscard]] std::int64_t paddedHeight() const { return pad && width > height ? width : height; }
};

/// Throws Error kInvalidArgument if a side is below 1, kInvalidData if the picture is so thin that a side becomes 0
/// when it is scaled down to 3024 pixels.
ImagePlan planImage(std::int64_t width, std::int64_t height, bool enablePatch = true);
/// Tokens the expanded placeholder takes: crops * (patch tokens + 2) + newlines + image tokens + 2.
std::int64_t imageTokens(const ImagePlan& plan, const model::PreprocessorConfig& config);
/// Throws Error kResourceExhausted if the picture takes more than `maxTokens` tokens: thin pictures can ask for tens of
/// thousands (section 6.5), so callers check before they preprocess. `name` appears in the error.
void requireImageTokens(const ImagePlan& plan, const model::PreprocessorConfig& config, std::int64_t maxTokens,
                        const std::string& name);

/// The 8-bit stage of section 6.2: G, the picture padded and capped; then C, G resized for the crops (or G itself).
Image globalView(const Image& image, const ImagePlan& plan);
Image cropSource(const Image& global, const ImagePlan& plan);
/// One crop of C; what lies outside C is black.
Image cutCrop(const Image& source, const ImagePlan::Box& box);

/// Input of the vision encoder: float32 [3, size, size] each, normalised.
struct PixelValues {
    ImagePlan plan;
    std::vector<float> global;                // [3, imageSize, imageSize]
    std::vector<std::vector<float>> patches;  // each [3, patchSize, patchSize]
};
/// No crops unless `enablePatch` and config.enablePatch.
PixelValues preprocess(const Image& image, const model::PreprocessorConfig& config, bool enablePatch);

}  // namespace step3::image
