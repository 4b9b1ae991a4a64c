#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/image/preprocess.h"
#include "engine/model/config.h"
#include "engine/sampling/structured/token_constraint.h"
#include "engine/serving/image_tokens.h"
#include "engine/serving/markup_guard.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"

namespace step3::serving {

/// The token that ends the reasoning.
inline constexpr std::string_view kCloseThink = "</think>";

/// What a request becomes before it meets the model.
struct Prompt {
    ExpandedPrompt tokens;
    std::vector<std::shared_ptr<const image::Image>> images;        // in the order of their placeholders
    bool startsInReasoning = false;                                 // the prompt ends in an open <think>
    std::shared_ptr<sampling::structured::ConstraintProgram> form;  // what the answer must look like; null: anything
};

/// Leaves the last `tokens` tokens of a prompt that has more. Throws Error kInvalidArgument if that would cut pictures
/// or leave nothing.
void truncatePrompt(Prompt& prompt, std::int64_t tokens);

/// Messages to token ids. Immutable after construction; safe to use from several threads.
class PromptBuilder {
public:
    /// Reads the chat template and `add_bos_token` of tokenizer_config.json in `folder`.
    PromptBuilder(const std::filesystem::path& folder, const model::ModelConfig& config,
                  std::shared_ptr<const text::Tokenizer> tokenizer);

    /// Throws Error kInvalidArgument for roles, arguments, tool schemas or token ids out of form, for pictures without
    /// a vision model, and if the template makes another number of placeholders than there are pictures;
    /// kResourceExhausted for a picture of more than `maxImageTokens` tokens.
    [[nodiscard]] Prompt build(const Request& request, std::int32_t maxImageTokens) const;

private:
    [[nodiscard]] std::vector<std::int32_t> rawIds(const Request& request) const;
    [[nodiscard]] std::string render(const Request& request, const std::string& mark, bool& startsInReasoning) const;

    model::ModelConfig config_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::shared_ptr<const text::ChatTemplate> template_;
    MarkupGuard guard_;
    std::optional<ImageTokenIds> imageTokens_;  // with a vision model
    bool addBos_ = false;                       // to raw prompts
};

/// The tool schemas of a request: an array, or null if `toolsJson` is empty. Throws Error kInvalidArgument.
Json parseTools(const std::string& toolsJson);

}  // namespace step3::serving
