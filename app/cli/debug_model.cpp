#include "app/cli/debug_model.h"

#include <algorithm>

#include "app/cli/debug_json.h"
#include "engine/error.h"
#include "engine/image/preprocess.h"
#include "engine/model/weights.h"

namespace step3::cli {

model::ModelConfig loadVisionConfig(const std::filesystem::path& folder) {
    model::ModelConfig config = model::loadModelConfig(folder);
    if (!config.vision) {
        throw Error(ErrorCode::kUnsupported, (folder / "config.json").string() +
                                                 ": expected a model with a vision encoder, found " +
                                                 config.architecture);
    }
    return config;
}

DebugModel::DebugModel(const std::filesystem::path& folder, const model::WeightOptions& weights)
    : checkpoint_(model::openWeights(folder, weights, pool_)) {}

afd::Pipeline& DebugModel::pipeline() {
    if (!pipeline_) {
        afd::CpuPipelineOptions options;
        options.kv.format = kernels::KvFormat::kF32;
        pipeline_ = afd::Pipeline::createCpu(checkpoint_, pool_, options);
    }
    return *pipeline_;
}

std::vector<float> DebugModel::encodeImage(const image::Image& image) {
    if (!vision_) vision_ = std::make_unique<vision::VisionEncoder>(checkpoint_, pool_);
    return vision_->encode(image::preprocess(image, *config().preprocessor, config().vision->enablePatch));
}

std::vector<std::int32_t> DebugModel::givenIds(const Json& request, const std::string& where) const {
    const std::string field = where.empty() ? "input_ids" : where + ".input_ids";
    const Json& array = requiredArray(request, "input_ids", where);
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < array.size(); ++i) {
        ids.push_back(
            static_cast<std::int32_t>(integerIn(array[i], 0, config().text.vocabSize - 1, indexed(field, i))));
    }
    return ids;
}

DebugPrompt DebugModel::prompt(const Json& request, const std::filesystem::path& imageFolder,
                               const std::string& where) {
    DebugPrompt prompt;
    std::vector<std::int32_t> rowPositions;
    std::vector<image::Image> images;
    if (request.is_object() && request.contains("input_ids")) {
        prompt.ids = givenIds(request, where);
    } else {
        const Json& messages = requiredMessages(request, where);
        const auto files =
            request.contains("images") ? requiredStrings(request, "images", where) : std::vector<std::string>();
        const std::filesystem::path& folder = checkpoint_->folder();
        if (!tokenizer_) tokenizer_ = text::Tokenizer::fromFolder(folder);
        if (!template_) template_ = text::ChatTemplate::fromFolder(folder);
        const auto ids =
            tokenizer_->encode(template_->render(messages, optionalArray(request, "tools", where),
                                                 optionalBool(request, "add_generation_prompt", true, where)));
        if (!config().vision) {
            if (!files.empty())
                throw Error(ErrorCode::kUnsupported, "input: images given, but this model reads text only");
            prompt.ids = ids;
        } else {
            std::vector<image::ImagePlan> plans;
            for (const std::string& file : files) {
                images.push_back(image::loadImage(imageFolder / file));
                plans.push_back(
                    image::planImage(images.back().width, images.back().height, config().vision->enablePatch));
            }
            auto expanded = serving::expandImages(ids, serving::ImageTokenIds::of(*tokenizer_, config()), plans,
                                                  *config().preprocessor);
            prompt.ids = std::move(expanded.ids);
            rowPositions = std::move(expanded.rowPositions);
        }
    }
    const auto tokens = static_cast<std::int64_t>(prompt.ids.size());
    const std::string what = "input: " + (where.empty() ? std::string("the prompt") : where);
    if (tokens == 0) throw Error(ErrorCode::kInvalidData, what + ": expected at least one token, found none");
    if (tokens > config().text.maxPositions) {
        throw Error(ErrorCode::kResourceExhausted, what + ": " + std::to_string(tokens) +
                                                       " tokens, but the context holds " +
                                                       std::to_string(config().text.maxPositions));
    }
    prompt.embeddings = pipeline().embed(prompt.ids);
    const auto hidden = static_cast<std::size_t>(config().text.hiddenSize);
    std::size_t row = 0;
    for (const image::Image& image : images) {
        const std::vector<float> rows = encodeImage(image);
        for (std::size_t i = 0; i + hidden <= rows.size() && row < rowPositions.size(); i += hidden, ++row) {
            std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(i), hidden,
                        prompt.embeddings.begin() + static_cast<std::ptrdiff_t>(hidden) * rowPositions[row]);
        }
    }
    if (row != rowPositions.size()) {
        throw Error(ErrorCode::kInternal, what + ": " + std::to_string(row) + " image rows for " +
                                              std::to_string(rowPositions.size()) + " image tokens");
    }
    return prompt;
}

}  // namespace step3::cli
