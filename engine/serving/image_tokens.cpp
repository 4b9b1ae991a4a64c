#include "engine/serving/image_tokens.h"

#include <algorithm>
#include <string>

#include "engine/error.h"

namespace step3::serving {

namespace {

text::TokenId required(const text::Tokenizer& tokenizer, const std::string& name) {
    const auto id = tokenizer.idOf(name);
    if (!id)
        throw Error(ErrorCode::kInvalidData,
                    "tokenizer: expected the token " + name + " of a vision model, found none");
    return *id;
}

text::TokenId needed(const std::optional<text::TokenId>& id, const char* name) {
    if (!id) {
        throw Error(ErrorCode::kInvalidData,
                    std::string("tokenizer: expected the token ") + name + " for a picture with crops, found none");
    }
    return *id;
}

}  // namespace

ImageTokenIds ImageTokenIds::of(const text::Tokenizer& tokenizer, const model::ModelConfig& config) {
    ImageTokenIds ids;
    ids.patch = required(tokenizer, "<im_patch>");
    if (config.imageTokenId != ids.patch) {
        throw Error(ErrorCode::kInvalidData, "config.json: expected image_token_id " + std::to_string(ids.patch) +
                                                 ", the tokenizer's <im_patch>, found " +
                                                 std::to_string(config.imageTokenId));
    }
    ids.imageStart = required(tokenizer, "<im_start>");
    ids.imageEnd = required(tokenizer, "<im_end>");
    ids.patchStart = tokenizer.idOf("<patch_start>");
    ids.patchEnd = tokenizer.idOf("<patch_end>");
    ids.patchNewline = tokenizer.idOf("<patch_newline>");
    return ids;
}

std::int64_t imageRows(const image::ImagePlan& plan, const model::PreprocessorConfig& config) {
    return static_cast<std::int64_t>(plan.boxes.size()) * config.numPatchFeatureSize + config.numImageFeatureSize;
}

ExpandedPrompt expandImages(std::span<const std::int32_t> ids, const ImageTokenIds& tokens,
                            std::span<const image::ImagePlan> plans, const model::PreprocessorConfig& config) {
    const auto placeholders = std::count(ids.begin(), ids.end(), tokens.patch);
    if (placeholders != static_cast<std::ptrdiff_t>(plans.size())) {
        throw Error(ErrorCode::kInvalidArgument, "the prompt has " + std::to_string(placeholders) +
                                                     " image placeholders, but " + std::to_string(plans.size()) +
                                                     " images were given");
    }
    ExpandedPrompt prompt;
    const auto rows = [&](std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
            prompt.rowPositions.push_back(static_cast<std::int32_t>(prompt.ids.size()));
            prompt.ids.push_back(tokens.patch);
        }
    };
    std::size_t next = 0;
    for (const std::int32_t id : ids) {
        if (id != tokens.patch) {
            prompt.ids.push_back(id);
            continue;
        }
        const image::ImagePlan& plan = plans[next++];
        const std::size_t before = prompt.ids.size();
        const std::size_t rowsBefore = prompt.rowPositions.size();
        for (std::size_t i = 0; i < plan.boxes.size(); ++i) {
            prompt.ids.push_back(needed(tokens.patchStart, "<patch_start>"));
            rows(config.numPatchFeatureSize);
            prompt.ids.push_back(needed(tokens.patchEnd, "<patch_end>"));
            if (plan.newline[i]) prompt.ids.push_back(needed(tokens.patchNewline, "<patch_newline>"));
        }
        prompt.ids.push_back(tokens.imageStart);
        rows(config.numImageFeatureSize);
        prompt.ids.push_back(tokens.imageEnd);
        prompt.imageTokens += static_cast<std::int32_t>(prompt.ids.size() - before);
        prompt.pictureRows.push_back(static_cast<std::int32_t>(prompt.rowPositions.size() - rowsBefore));
    }
    return prompt;
}

}  // namespace step3::serving
