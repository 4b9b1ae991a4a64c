#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/weight_options.h"

namespace step3::model {

/// Text model, spec step3-model section 1.2. Every size comes from config.json.
struct TextConfig {
    std::int64_t hiddenSize = 0;           // H
    std::int64_t numLayers = 0;            // L
    std::int64_t numHeads = 0;             // N query heads; one shared K and one shared V head
    std::int64_t headDim = 0;              // D
    std::int64_t shareQDim = 0;            // low-rank query width
    std::int64_t intermediateSize = 0;     // dense FFN
    std::int64_t numExperts = 0;           // E
    std::int64_t topK = 0;                 // K experts per token
    std::int64_t moeIntermediateSize = 0;  // F, one routed expert
    std::int64_t shareExpertDim = 0;       // shared expert
    std::int64_t vocabSize = 0;            // V
    std::int64_t maxPositions = 0;         // longest context in tokens
    std::vector<bool> isMoeLayer;          // [L]
    bool normExpertWeight = false;
    float rmsNormEps = 1e-5F;
    double ropeTheta = 500000.0;
};

/// Vision encoder and projector, spec section 1.3 and 5.
struct VisionConfig {
    std::int64_t hiddenSize = 0;  // C
    std::int64_t numLayers = 0;
    std::int64_t numHeads = 0;
    std::int64_t intermediateSize = 0;
    std::int64_t outputHiddenSize = 0;
    std::int64_t imageSize = 0;
    std::int64_t patchSize = 0;
    std::int64_t numChannels = 3;
    float layerNormEps = 1e-6F;        // the field if present, else 1e-6
    std::int64_t projectorStride = 2;  // understand_projector_stride
    bool enablePatch = true;           // local crops; false if either config.json or preprocessor_config.json says so
};

/// preprocessor_config.json, spec section 6.
struct PreprocessorConfig {
    std::int64_t imageSize = 728;            // side of the global view's tensor
    std::int64_t patchSize = 504;            // side of a local crop's tensor
    std::int64_t numImageFeatureSize = 169;  // tokens of the global view
    std::int64_t numPatchFeatureSize = 81;   // tokens of one crop
    bool enablePatch = true;
    std::array<float, 3> mean{0.48145466F, 0.4578275F, 0.40821073F};
    std::array<float, 3> std{0.26862954F, 0.26130258F, 0.27577711F};
};

/// generation_config.json with config.json as fall-back.
struct GenerationConfig {
    std::vector<std::int32_t> eosTokenIds;
    std::optional<std::int32_t> bosTokenId;
    std::optional<std::int32_t> padTokenId;
    bool doSample = false;
    std::optional<float> temperature;
    std::optional<float> topP;
    std::optional<std::int32_t> topK;
    std::optional<float> repetitionPenalty;
    std::optional<std::int32_t> maxNewTokens;
};

/// quantization_config of a checkpoint that `step3 quantize` wrote (engine/model/quantize.h says how it is laid out).
struct GroupQuantization {
    WeightFormats formats;        // kStored, kInt8 or kInt4 by part
    std::int64_t groupSize = 32;  // weights along the input axis that share a scale: 32, 64 or 128
};
inline constexpr const char* kGroupMethod = "step3_groups";  // its quant_method

struct ModelConfig {
    std::string architecture;  // "Step3VLForConditionalGeneration" or "Step3TextForCausalLM"
    TextConfig text;
    std::optional<VisionConfig> vision;              // absent in a text-only checkpoint
    std::optional<PreprocessorConfig> preprocessor;  // present exactly if vision is
    GenerationConfig generation;
    std::int32_t imageTokenId = -1;           // <im_patch>; -1 in a text-only checkpoint
    bool blockFp8 = false;                    // quantization_config says block FP8
    std::optional<GroupQuantization> groups;  // quantization_config says groups
    std::int64_t fp8BlockN = 128;
    std::int64_t fp8BlockK = 128;
};

/// Reads and checks config.json, generation_config.json (optional) and preprocessor_config.json (needed with vision) of
/// a Hugging Face folder. Throws Error naming file, field, expected and found.
ModelConfig loadModelConfig(const std::filesystem::path& folder);

}  // namespace step3::model
