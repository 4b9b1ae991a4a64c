#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/image/image.h"
#include "engine/json.h"
#include "engine/model/checkpoint.h"
#include "engine/model/weight_options.h"
#include "engine/serving/image_tokens.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"
#include "engine/vision/vision_encoder.h"

namespace step3::cli {

/// Reads config.json and preprocessor_config.json; throws Error if the model has no vision part.
model::ModelConfig loadVisionConfig(const std::filesystem::path& folder);

/// A prompt ready for the pipeline.
struct DebugPrompt {
    std::vector<std::int32_t> ids;  // [T], pictures expanded
    std::vector<float> embeddings;  // [T, H]
};

/// An open model for what computes without a scheduler.
class DebugModel {
public:
    explicit DebugModel(const std::filesystem::path& folder, const model::WeightOptions& weights = {});

    [[nodiscard]] const model::ModelConfig& config() const { return checkpoint_->config(); }
    [[nodiscard]] afd::Pipeline& pipeline();
    /// [rows, H], crops first. The vision encoder is made when first needed.
    [[nodiscard]] std::vector<float> encodeImage(const image::Image& image);
    /// {"input_ids": [...]} or {"messages": [...], "images": ["path", ...]}; `where` names the request in errors.
    [[nodiscard]] DebugPrompt prompt(const Json& request, const std::filesystem::path& imageFolder,
                                     const std::string& where);

private:
    [[nodiscard]] std::vector<std::int32_t> givenIds(const Json& request, const std::string& where) const;

    kernels::ThreadPool pool_;
    std::shared_ptr<const model::Checkpoint> checkpoint_;
    std::unique_ptr<afd::Pipeline> pipeline_;
    std::unique_ptr<vision::VisionEncoder> vision_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::shared_ptr<const text::ChatTemplate> template_;
};

}  // namespace step3::cli
