// Stages of `step3 debug` for pictures: image-plan, pixels, vision.

#include <algorithm>

#include "app/cli/debug_json.h"
#include "app/cli/debug_model.h"
#include "app/cli/debug_stages.h"
#include "engine/error.h"
#include "engine/image/preprocess.h"

namespace step3::cli {

namespace {

/// Far beyond what planning needs; keeps its arithmetic in range.
constexpr std::int64_t kMaxSide = 1'000'000;

std::string tensorName(std::size_t image, const std::string& part) {
    return std::to_string(image) + "." + part;
}

}  // namespace

Json debugImagePlan(const DebugInput& input) {
    const Json& sizes = requiredArray(input.json, "sizes");
    const model::ModelConfig config = loadVisionConfig(input.model);
    Json rows = Json::array();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const std::string where = indexed("sizes", i);
        if (!sizes[i].is_array() || sizes[i].size() != 2) {
            throw Error(ErrorCode::kInvalidData,
                        "input: " + where + ": expected [width, height], found " + sizes[i].dump());
        }
        const auto plan =
            image::planImage(integerIn(sizes[i][0], 1, kMaxSide, where + "[0]"),
                             integerIn(sizes[i][1], 1, kMaxSide, where + "[1]"), config.vision->enablePatch);
        rows.push_back({plan.width, plan.height, plan.pad ? 1 : 0, plan.globalWidth, plan.globalHeight, plan.window,
                        plan.cropWidth, plan.cropHeight, plan.boxes.size(),
                        std::count(plan.newline.begin(), plan.newline.end(), true),
                        image::imageTokens(plan, *config.preprocessor)});
    }
    return {{"rows", rows}};
}

TensorFile debugPixels(const DebugInput& input) {
    const auto files = requiredStrings(input.json, "images");
    const model::ModelConfig config = loadVisionConfig(input.model);
    const std::int64_t globalSide = config.preprocessor->imageSize;
    const std::int64_t cropSide = config.preprocessor->patchSize;
    TensorFile out;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto pixels = image::preprocess(image::loadImage(input.imageFolder / files[i]), *config.preprocessor,
                                              config.vision->enablePatch);
        out.addFloats(tensorName(i, "global"), {3, globalSide, globalSide}, pixels.global);
        for (std::size_t j = 0; j < pixels.patches.size(); ++j) {
            out.addFloats(tensorName(i, "patch" + std::to_string(j)), {3, cropSide, cropSide}, pixels.patches[j]);
        }
    }
    return out;
}

TensorFile debugVision(const DebugInput& input) {
    const auto files = requiredStrings(input.json, "images");
    loadVisionConfig(input.model);  // refuses a text-only checkpoint before its weights are read
    DebugModel model(input.model);
    TensorFile out;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto rows = model.encodeImage(image::loadImage(input.imageFolder / files[i]));
        const std::int64_t hidden = model.config().text.hiddenSize;
        out.addFloats(tensorName(i, "image_embeds"), {static_cast<std::int64_t>(rows.size()) / hidden, hidden}, rows);
    }
    return out;
}

}  // namespace step3::cli
