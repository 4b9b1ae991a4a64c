#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/image/preprocess.h"

namespace step3::image {
namespace {

// The geometry is the processor's own and does not follow the tensor sizes of preprocessor_config.json.
constexpr std::int64_t kPadBelow = 32;
constexpr std::int64_t kMaxSide = 3024;
constexpr std::int64_t kSmallSide = 728;
constexpr std::int64_t kWindow = 504;

std::int64_t windowSize(std::int64_t width, std::int64_t height) {
    const std::int64_t longSide = std::max(width, height);
    const std::int64_t shortSide = std::min(width, height);
    const double ratio = static_cast<double>(longSide) / static_cast<double>(shortSide);
    if (longSide <= kSmallSide) return ratio > 1.5 ? shortSide : 0;
    return ratio > 4.0 ? std::min(shortSide, kWindow) : kWindow;
}

// One more window if more than a fifth of one is left over. The comparison of doubles is part of the rule: 640 / 200
// counts.
std::int64_t cropSide(std::int64_t side, std::int64_t window) {
    const double ratio = static_cast<double>(side) / static_cast<double>(window);
    if (ratio < 1.0) return side;
    const std::int64_t whole = side / window;
    return window * (whole + (ratio - static_cast<double>(whole) > 0.2 ? 1 : 0));
}

std::vector<std::int64_t> windowStarts(std::int64_t side, std::int64_t window) {
    if (side <= window) return {0};
    const auto count =
        static_cast<std::int64_t>(std::ceil(static_cast<double>(side - window) / static_cast<double>(window) + 1.0));
    std::vector<std::int64_t> starts;
    for (std::int64_t i = 0; i < count; ++i) starts.push_back(i * window);
    if (starts.back() + window > side) starts.back() = side - window;
    return starts;
}

}  // namespace

ImagePlan planImage(std::int64_t width, std::int64_t height, bool enablePatch) {
    const std::string name = "picture of " + std::to_string(width) + "x" + std::to_string(height) + " pixels";
    constexpr std::int64_t kMaxInput = 1LL << 31;
    if (width < 1 || height < 1 || width >= kMaxInput || height >= kMaxInput) {
        throw Error(ErrorCode::kInvalidArgument, name + ": expected sides of 1 to 2147483647 pixels");
    }
    ImagePlan plan;
    plan.width = width;
    plan.height = height;

    const double ratio = static_cast<double>(width) / static_cast<double>(height);
    plan.pad = std::min(width, height) < kPadBelow && (ratio > 4.0 || ratio < 1.0 / 4.0);
    std::int64_t w = plan.paddedWidth();
    std::int64_t h = plan.paddedHeight();
    if (std::max(w, h) > kMaxSide) {
        const double scale = static_cast<double>(kMaxSide) / static_cast<double>(std::max(w, h));
        w = static_cast<std::int64_t>(static_cast<double>(w) * scale);
        h = static_cast<std::int64_t>(static_cast<double>(h) * scale);
        if (w < 1 || h < 1) {
            throw Error(ErrorCode::kInvalidData,
                        name + ": expected sides of at least 1 pixel after scaling the longer one to " +
                            std::to_string(kMaxSide) + ", found " + std::to_string(w) + "x" + std::to_string(h));
        }
    }
    plan.globalWidth = w;
    plan.globalHeight = h;
    if (!enablePatch) return plan;

    plan.window = windowSize(w, h);
    if (plan.window == 0) return plan;
    plan.cropWidth = cropSide(w, plan.window);
    plan.cropHeight = cropSide(h, plan.window);
    const std::vector<std::int64_t> columns = windowStarts(plan.cropWidth, plan.window);
    for (const std::int64_t y : windowStarts(plan.cropHeight, plan.window)) {
        for (const std::int64_t x : columns) {
            plan.boxes.push_back({x, y, plan.window});
            plan.newline.push_back(x == columns.back());
        }
    }
    plan.newline.back() = false;
    return plan;
}

std::int64_t imageTokens(const ImagePlan& plan, const model::PreprocessorConfig& config) {
    const auto crops = static_cast<std::int64_t>(plan.boxes.size());
    const auto newlines = static_cast<std::int64_t>(std::count(plan.newline.begin(), plan.newline.end(), true));
    return crops * (config.numPatchFeatureSize + 2) + newlines + config.numImageFeatureSize + 2;
}

void requireImageTokens(const ImagePlan& plan, const model::PreprocessorConfig& config, std::int64_t maxTokens,
                        const std::string& name) {
    const std::int64_t tokens = imageTokens(plan, config);
    if (tokens <= maxTokens) return;
    throw Error(ErrorCode::kResourceExhausted, name + ": expected a picture of at most " + std::to_string(maxTokens) +
                                                   " image tokens, found " + std::to_string(tokens) + " (" +
                                                   std::to_string(plan.width) + "x" + std::to_string(plan.height) +
                                                   " pixels in " + std::to_string(plan.boxes.size()) + " crops)");
}

}  // namespace step3::image
