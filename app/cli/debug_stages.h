#pragma once

#include <filesystem>
#include <optional>

#include "app/cli/debug_tensors.h"
#include "engine/json.h"

namespace step3::cli {

/// What a stage works on.
struct DebugInput {
    std::filesystem::path model;                     // folder
    std::optional<std::filesystem::path> tokenizer;  // file, instead of the model's
    std::filesystem::path imageFolder;               // where relative picture paths start
    Json json;
};

// JSON in, JSON out.
Json debugTokenize(const DebugInput& input);
Json debugRender(const DebugInput& input);
Json debugParse(const DebugInput& input);
Json debugImagePlan(const DebugInput& input);
Json debugGenerate(const DebugInput& input);

// JSON in, tensors out.
TensorFile debugPixels(const DebugInput& input);
TensorFile debugVision(const DebugInput& input);
TensorFile debugForward(const DebugInput& input);

}  // namespace step3::cli
