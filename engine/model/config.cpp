#include "engine/model/config.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "engine/error.h"
#include "engine/json.h"
#include "engine/model/config_json.h"
#include "engine/model/mapped_file.h"

namespace step3::model {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 24;  // far above any real size; keeps products inside 64 bits

std::string shown(const Json& value) {
    std::string text = value.dump();
    return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

/// Typed access to the fields of one JSON object; errors name the file and the field.
class Fields {
public:
    Fields(const Json& object, std::string file, std::string prefix)
        : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

    [[noreturn]] void fail(const char* field, const std::string& expected, const std::string& found,
                           ErrorCode code = ErrorCode::kInvalidData) const {
        throw Error(code, file_ + ": field " + prefix_ + field + ": expected " + expected + ", found " + found);
    }
    [[nodiscard]] const Json* find(const char* field) const {
        const auto it = object_.find(field);
        return it == object_.end() || it->is_null() ? nullptr : &*it;
    }
    [[nodiscard]] const Json& need(const char* field, const std::string& expected) const {
        const Json* value = find(field);
        if (value == nullptr) fail(field, expected, "nothing");
        return *value;
    }
    [[nodiscard]] std::int64_t integer(const char* field, std::int64_t low, std::int64_t high,
                                       std::optional<std::int64_t> fallback = std::nullopt) const {
        const std::string expected = "an integer from " + std::to_string(low) + " to " + std::to_string(high);
        const Json* value = find(field);
        if (value == nullptr && fallback) return *fallback;
        if (value == nullptr) fail(field, expected, "nothing");
        if (!value->is_number_integer()) fail(field, expected, shown(*value));
        if (value->is_number_unsigned() &&
            value->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            fail(field, expected, shown(*value));
        const auto number = value->get<std::int64_t>();
        if (number < low || number > high) fail(field, expected, shown(*value));
        return number;
    }
    [[nodiscard]] std::int64_t dimension(const char* field, std::optional<std::int64_t> fallback = std::nullopt) const {
        return integer(field, 1, kMaxDimension, fallback);
    }
    [[nodiscard]] double number(const char* field, double low, double high, std::optional<double> fallback) const {
        std::ostringstream expected;
        expected << "a number from " << low << " to " << high;
        const Json* value = find(field);
        if (value == nullptr && fallback) return *fallback;
        if (value == nullptr) fail(field, expected.str(), "nothing");
        if (!value->is_number()) fail(field, expected.str(), shown(*value));
        const double result = value->get<double>();
        if (!(result >= low && result <= high)) fail(field, expected.str(), shown(*value));
        return result;
    }
    [[nodiscard]] bool boolean(const char* field, bool fallback) const {
        const Json* value = find(field);
        if (value == nullptr) return fallback;
        if (!value->is_boolean()) fail(field, "true or false", shown(*value));
        return value->get<bool>();
    }
    [[nodiscard]] std::string string(const char* field, const std::string& expected) const {
        const Json& value = need(field, expected);
        if (!value.is_string()) fail(field, expected, shown(value));
        return value.get<std::string>();
    }
    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] const Json& object() const { return object_; }

private:
    const Json& object_;
    std::string file_;
    std::string prefix_;
};

Json readObject(const std::filesystem::path& file) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored))
        throw Error(ErrorCode::kNotFound, file.string() + ": expected a readable file, found none");
    return parseConfigObject(MappedFile(file).text(), file.string());
}

std::vector<bool> moeLayers(const Fields& fields, std::int64_t numLayers) {
    std::vector<bool> isMoe(static_cast<std::size_t>(numLayers), false);
    const Json* value = fields.find("moe_layers_enum");
    if (value == nullptr) {  // absent: every layer but the first (spec section 1.2)
        std::fill(isMoe.begin() + 1, isMoe.end(), true);
        return isMoe;
    }
    const std::string expected = "layer numbers from 0 to " + std::to_string(numLayers - 1);
    const auto mark = [&](std::int64_t layer) {
        if (layer < 0 || layer >= numLayers) fields.fail("moe_layers_enum", expected, std::to_string(layer));
        isMoe[static_cast<std::size_t>(layer)] = true;
    };
    if (value->is_array()) {
        for (const Json& item : *value) {
            if (!item.is_number_integer()) fields.fail("moe_layers_enum", expected, shown(item));
            mark(item.get<std::int64_t>());
        }
    } else if (value->is_string()) {
        std::istringstream items(value->get<std::string>());
        for (std::string item; std::getline(items, item, ',');) {
            const auto first = item.find_first_not_of(" \t");
            const auto last = item.find_last_not_of(" \t");
            item = first == std::string::npos ? "" : item.substr(first, last - first + 1);
            if (item.empty() || item.size() > 6 ||
                !std::all_of(item.begin(), item.end(), [](unsigned char c) { return std::isdigit(c); }))
                fields.fail("moe_layers_enum", expected, "\"" + item + "\"");
            mark(std::stoll(item));
        }
    } else {
        fields.fail("moe_layers_enum", "a comma-separated string or a list", shown(*value));
    }
    return isMoe;
}

TextConfig readText(const Fields& f) {
    TextConfig text;
    text.hiddenSize = f.dimension("hidden_size");
    text.numLayers = f.integer("num_hidden_layers", 1, 4096);
    text.numHeads = f.dimension("num_attention_heads");
    if (f.integer("num_attention_groups", 1, kMaxDimension, 1) != 1)
        f.fail("num_attention_groups", "1 (one shared K and V head)", shown(*f.find("num_attention_groups")),
               ErrorCode::kUnsupported);
    text.headDim = f.dimension("head_dim");
    if (text.headDim % 2 != 0) f.fail("head_dim", "an even number", std::to_string(text.headDim));
    text.shareQDim = f.dimension("share_q_dim");
    text.intermediateSize = f.dimension("intermediate_size");
    text.isMoeLayer = moeLayers(f, text.numLayers);
    if (std::find(text.isMoeLayer.begin(), text.isMoeLayer.end(), true) != text.isMoeLayer.end()) {
        text.numExperts = f.integer("moe_num_experts", 1, 65536);
        text.topK = f.integer("moe_top_k", 1, text.numExperts);
        text.moeIntermediateSize = f.dimension("moe_intermediate_size");
        text.shareExpertDim = f.dimension("share_expert_dim");
    }
    text.vocabSize = f.integer("vocab_size", 1, 1 << 22);
    text.maxPositions = f.integer("max_position_embedding", 1, std::int64_t{1} << 31,
                                  f.integer("max_seq_len", 1, std::int64_t{1} << 31, 65536));
    text.maxPositions =
        std::min(text.maxPositions, f.integer("max_seq_len", 1, std::int64_t{1} << 31, text.maxPositions));
    text.normExpertWeight = f.boolean("norm_expert_weight", false);
    text.rmsNormEps = static_cast<float>(f.number("rms_norm_eps", 0.0, 1.0, 1e-5));
    double theta = 500000.0;
    for (const char* group : {"rope_scaling", "rope_parameters"}) {
        const Json* rope = f.find(group);
        if (rope == nullptr) continue;
        if (!rope->is_object()) f.fail(group, "an object or null", shown(*rope));
        const Fields inner(*rope, f.file(), std::string(group) + ".");
        for (const char* name : {"rope_type", "type"}) {
            const Json* type = inner.find(name);
            if (type != nullptr && *type != "default")
                inner.fail(name, "\"default\" (RoPE scaling is not run)", shown(*type), ErrorCode::kUnsupported);
        }
        theta = inner.number("rope_theta", 1.0, 1e12, theta);
        if (std::string(group) == "rope_scaling" && inner.find("rope_type") == nullptr &&
            inner.find("type") == nullptr && !rope->empty())
            f.fail(group, "null or type \"default\" (RoPE scaling is not run)", shown(*rope), ErrorCode::kUnsupported);
    }
    text.ropeTheta = f.number("rope_theta", 1.0, 1e12, theta);
    if (const Json* act = f.find("hidden_act"); act != nullptr && *act != "silu")
        f.fail("hidden_act", "\"silu\"", shown(*act), ErrorCode::kUnsupported);
    return text;
}

VisionConfig readVision(const Fields& f, std::int64_t stride) {
    VisionConfig vision;
    vision.hiddenSize = f.dimension("hidden_size", 1792);
    vision.numLayers = f.integer("num_hidden_layers", 1, 4096, 63);
    vision.numHeads = f.dimension("num_attention_heads", 16);
    if (vision.hiddenSize % vision.numHeads != 0)
        f.fail("num_attention_heads", "a divisor of hidden_size " + std::to_string(vision.hiddenSize),
               std::to_string(vision.numHeads));
    vision.intermediateSize = f.dimension("intermediate_size", 3072);
    vision.outputHiddenSize = f.dimension("output_hidden_size", 4096);
    vision.imageSize = f.integer("image_size", 1, 16384, 728);
    vision.patchSize = f.integer("patch_size", 1, vision.imageSize, 14);
    if (vision.imageSize % vision.patchSize != 0)
        f.fail("patch_size", "a divisor of image_size " + std::to_string(vision.imageSize),
               std::to_string(vision.patchSize));
    vision.numChannels = f.integer("num_channels", 3, 3, 3);
    vision.layerNormEps = static_cast<float>(f.number("layer_norm_eps", 0.0, 1.0, 1e-6));
    vision.enablePatch = f.boolean("enable_patch", true);
    vision.projectorStride = stride;
    if (const Json* act = f.find("hidden_act"); act != nullptr && *act != "quick_gelu")
        f.fail("hidden_act", "\"quick_gelu\"", shown(*act), ErrorCode::kUnsupported);
    return vision;
}

/// Tokens a square of `side` pixels becomes, spec section 5.4; 0 if the grid is too small.
std::int64_t tokensOfSide(std::int64_t side, const VisionConfig& vision) {
    const std::int64_t grid = side / vision.patchSize;
    if (grid < 2) return 0;
    const std::int64_t first = (grid - 2) / vision.projectorStride + 1;
    const std::int64_t second = (first - 1) / 2 + 1;
    return second * second;
}

PreprocessorConfig readPreprocessor(const Fields& f, const VisionConfig& vision) {
    PreprocessorConfig p;
    p.imageSize = f.integer("image_size", 1, 16384, 728);
    p.patchSize = f.integer("patch_size", 1, 16384, 504);
    p.enablePatch = f.boolean("enable_patch", true) && vision.enablePatch;
    p.numImageFeatureSize = f.integer("num_image_feature_size", 1, 1 << 20, 169);
    p.numPatchFeatureSize = f.integer("num_patch_feature_size", 1, 1 << 20, 81);
    if (p.imageSize != vision.imageSize)
        f.fail("image_size", std::to_string(vision.imageSize) + " (vision_config.image_size)",
               std::to_string(p.imageSize));
    if (const std::int64_t tokens = tokensOfSide(p.imageSize, vision); tokens != p.numImageFeatureSize)
        f.fail("num_image_feature_size", std::to_string(tokens) + " (from image_size, patch and stride)",
               std::to_string(p.numImageFeatureSize));
    if (p.enablePatch) {
        if (p.patchSize % vision.patchSize != 0)
            f.fail("patch_size", "a multiple of vision_config.patch_size " + std::to_string(vision.patchSize),
                   std::to_string(p.patchSize));
        if (const std::int64_t tokens = tokensOfSide(p.patchSize, vision); tokens != p.numPatchFeatureSize)
            f.fail("num_patch_feature_size", std::to_string(tokens) + " (from patch_size and stride)",
                   std::to_string(p.numPatchFeatureSize));
    }
    const auto triple = [&](const char* name, std::array<float, 3>& target, double low) {
        const Json* value = f.find(name);
        if (value == nullptr) return;
        if (!value->is_array() || value->size() != 3) f.fail(name, "three numbers", shown(*value));
        for (std::size_t i = 0; i < 3; ++i) {
            if (!(*value)[i].is_number() || !((*value)[i].get<double>() > low) || !((*value)[i].get<double>() < 1e3))
                f.fail(name, "three numbers above " + std::to_string(low), shown(*value));
            target[i] = (*value)[i].get<float>();
        }
    };
    triple("image_mean", p.mean, -1e3);
    triple("image_std", p.std, 0.0);
    return p;
}

std::vector<std::int32_t> tokenIds(const Fields& f, const char* field, std::int64_t vocabSize) {
    const Json* value = f.find(field);
    std::vector<std::int32_t> ids;
    if (value == nullptr) return ids;
    const std::string expected = "token ids from 0 to " + std::to_string(vocabSize - 1);
    const auto add = [&](const Json& item) {
        if (!item.is_number_integer() || item.get<std::int64_t>() < 0 || item.get<std::int64_t>() >= vocabSize)
            f.fail(field, expected, shown(item));
        ids.push_back(item.get<std::int32_t>());
    };
    if (value->is_array()) {
        for (const Json& item : *value) add(item);
    } else {
        add(*value);
    }
    return ids;
}

void readGeneration(const Fields& f, std::int64_t vocabSize, GenerationConfig& generation) {
    if (auto eos = tokenIds(f, "eos_token_id", vocabSize); !eos.empty()) generation.eosTokenIds = std::move(eos);
    if (const auto bos = tokenIds(f, "bos_token_id", vocabSize); !bos.empty()) generation.bosTokenId = bos.front();
    if (const auto pad = tokenIds(f, "pad_token_id", vocabSize); !pad.empty()) generation.padTokenId = pad.front();
    generation.doSample = f.boolean("do_sample", generation.doSample);
    if (f.find("temperature") != nullptr)
        generation.temperature = static_cast<float>(f.number("temperature", 0.0, 100.0, {}));
    if (f.find("top_p") != nullptr) generation.topP = static_cast<float>(f.number("top_p", 0.0, 1.0, {}));
    if (f.find("top_k") != nullptr) generation.topK = static_cast<std::int32_t>(f.integer("top_k", -1, 1 << 24));
    if (f.find("repetition_penalty") != nullptr)
        generation.repetitionPenalty = static_cast<float>(f.number("repetition_penalty", 0.0, 100.0, {}));
    if (f.find("max_new_tokens") != nullptr)
        generation.maxNewTokens = static_cast<std::int32_t>(f.integer("max_new_tokens", 1, 1 << 30));
}

void readBlockSize(const Fields& f, ModelConfig& config) {
    const Json* block = f.find("weight_block_size");
    if (block == nullptr) return;
    const bool good = block->is_array() && block->size() == 2 && (*block)[0].is_number_integer() &&
                      (*block)[1].is_number_integer() && (*block)[0].get<std::int64_t>() > 0 &&
                      (*block)[1].get<std::int64_t>() > 0 && (*block)[0].get<std::int64_t>() <= 65536 &&
                      (*block)[1].get<std::int64_t>() <= 65536;
    if (!good) f.fail("weight_block_size", "two positive integers", shown(*block));
    config.fp8BlockN = (*block)[0].get<std::int64_t>();
    config.fp8BlockK = (*block)[1].get<std::int64_t>();
}

GroupQuantization readGroups(const Fields& f) {
    GroupQuantization groups;
    groups.groupSize = f.integer("group_size", 1, kMaxDimension);
    if (groups.groupSize != 32 && groups.groupSize != 64 && groups.groupSize != 128)
        f.fail("group_size", "32, 64 or 128", std::to_string(groups.groupSize), ErrorCode::kUnsupported);
    const Json& formats = f.need("formats", "an object");
    if (!formats.is_object()) f.fail("formats", "an object", shown(formats));
    const Fields parts(formats, f.file(), "quantization_config.formats.");
    const auto format = [&](const char* part) {
        const std::string expected = R"("stored", "int8" or "int4")";
        const std::string name = parts.string(part, expected);
        if (name == "stored") return WeightFormat::kStored;
        if (name == "int8") return WeightFormat::kInt8;
        if (name != "int4") parts.fail(part, expected, "\"" + name + "\"", ErrorCode::kUnsupported);
        return WeightFormat::kInt4;
    };
    groups.formats = {format("experts"), format("attention"), format("lm_head")};
    return groups;
}

void readQuantization(const Fields& top, ModelConfig& config) {
    const Json* value = top.find("quantization_config");
    if (value == nullptr) return;
    if (!value->is_object()) top.fail("quantization_config", "an object", shown(*value));
    const Fields f(*value, top.file(), "quantization_config.");
    const auto only = [&](const char* field, const char* expected) {
        const Json* v = f.find(field);
        if (v != nullptr && *v != expected)
            f.fail(field, "\"" + std::string(expected) + "\"", shown(*v), ErrorCode::kUnsupported);
    };
    const std::string expected = std::string("\"fp8\" or \"") + kGroupMethod + "\"";
    const std::string method = f.string("quant_method", expected);
    readBlockSize(f, config);
    if (method == kGroupMethod) {
        config.groups = readGroups(f);
        return;
    }
    if (method != "fp8") f.fail("quant_method", expected, shown(*f.find("quant_method")), ErrorCode::kUnsupported);
    only("fmt", "e4m3");
    only("activation_scheme", "dynamic");
    config.blockFp8 = true;
}

}  // namespace

Json parseConfigObject(std::string_view text, const std::string& file) {
    Json value = parseJson(text, file);
    if (!value.is_object())
        throw Error(ErrorCode::kInvalidData, file + ": expected a JSON object, found " + value.type_name());
    return value;
}

ModelConfig parseModelConfig(const Json& object, const std::string& file) {
    const Fields top(object, file, "");
    ModelConfig config;
    const Json& names = top.need("architectures", "a list with one architecture");
    if (!names.is_array() || names.empty() || !names[0].is_string())
        top.fail("architectures", "a list with one architecture", shown(names));
    config.architecture = names[0].get<std::string>();
    const bool multimodal = config.architecture == "Step3VLForConditionalGeneration";
    if (!multimodal && config.architecture != "Step3TextForCausalLM")
        top.fail("architectures", "Step3VLForConditionalGeneration or Step3TextForCausalLM",
                 "\"" + config.architecture + "\"", ErrorCode::kUnsupported);

    const auto object_of = [&](const char* field) -> const Json& {
        const Json& value = top.need(field, "an object");
        if (!value.is_object()) top.fail(field, "an object", shown(value));
        return value;
    };
    if (multimodal || top.find("text_config") != nullptr) {
        config.text = readText(Fields(object_of("text_config"), file, "text_config."));
    } else {
        config.text = readText(top);
    }
    if (multimodal) {
        const std::int64_t stride = top.integer("understand_projector_stride", 1, 16, 1);
        config.vision = readVision(Fields(object_of("vision_config"), file, "vision_config."), stride);
        config.imageTokenId = static_cast<std::int32_t>(top.integer(
            "image_token_id", 0, config.text.vocabSize - 1, std::min<std::int64_t>(128001, config.text.vocabSize - 1)));
    }
    readQuantization(top, config);
    readGeneration(top, config.text.vocabSize, config.generation);
    return config;
}

void readGenerationConfig(const Json& object, const std::string& file, ModelConfig& config) {
    readGeneration(Fields(object, file, ""), config.text.vocabSize, config.generation);
}

void readPreprocessorConfig(const Json& object, const std::string& file, ModelConfig& config) {
    config.preprocessor = readPreprocessor(Fields(object, file, ""), *config.vision);
    config.vision->enablePatch = config.preprocessor->enablePatch;
}

ModelConfig loadModelConfig(const std::filesystem::path& folder) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored))
        throw Error(ErrorCode::kNotFound, folder.string() + ": expected a model folder, found none");
    const auto file = folder / "config.json";
    ModelConfig config = parseModelConfig(readObject(file), file.string());
    if (const auto generation = folder / "generation_config.json"; std::filesystem::exists(generation, ignored)) {
        readGenerationConfig(readObject(generation), generation.string(), config);
    }
    if (config.vision) {
        const auto preprocessor = folder / "preprocessor_config.json";
        readPreprocessorConfig(readObject(preprocessor), preprocessor.string(), config);
    }
    return config;
}

}  // namespace step3::model
