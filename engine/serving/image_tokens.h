#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/image/preprocess.h"
#include "engine/model/config.h"
#include "engine/text/tokenizer.h"

namespace step3::serving {

/// Ids of the tokens that stand for a picture, found by their names in the tokenizer (spec step3-model section 6.5).
struct ImageTokenIds {
    text::TokenId patch = -1;  // <im_patch>: the placeholder, and every token that takes an image row
    text::TokenId imageStart = -1, imageEnd = -1;
    /// Only in models that cut crops; expandImages needs them only for pictures with crops.
    std::optional<text::TokenId> patchStart, patchEnd, patchNewline;

    /// Throws Error if a name is missing or <im_patch> is not config.json's image_token_id.
    static ImageTokenIds of(const text::Tokenizer& tokenizer, const model::ModelConfig& config);
};

/// A prompt whose placeholders are replaced by the tokens of its pictures.
struct ExpandedPrompt {
    std::vector<std::int32_t> ids;  // [T]
    std::vector<std::int32_t>
        rowPositions;  // [rows] token that image row r replaces, rising; rows of all pictures in order
    std::vector<std::int32_t> pictureRows;  // [pictures] rows of each
    std::int32_t imageTokens = 0;           // all tokens the pictures take, markers included
};

/// Replaces the i-th <im_patch> by the tokens of the i-th picture. Throws Error if their numbers differ.
ExpandedPrompt expandImages(std::span<const std::int32_t> ids, const ImageTokenIds& tokens,
                            std::span<const image::ImagePlan> plans, const model::PreprocessorConfig& config);

/// Rows a picture's embedding has: those of its crops, then those of the global view.
std::int64_t imageRows(const image::ImagePlan& plan, const model::PreprocessorConfig& config);

}  // namespace step3::serving
