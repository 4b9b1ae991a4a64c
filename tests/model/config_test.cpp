#include <catch2/catch.hpp>

#include "engine/model/checkpoint.h"
#include "engine/model/config_json.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using test::Folder;
using test::TinyCheckpoint;

TEST_CASE("a configuration gives sizes, and defaults for what it leaves out") {
    const model::ModelConfig config = model::parseModelConfig(TinyCheckpoint().config, "c");
    CHECK(config.architecture == "Step3TextForCausalLM");
    CHECK(config.text.hiddenSize == 6);
    CHECK(config.text.isMoeLayer == std::vector<bool>{false, true});  // all but the first
    CHECK(config.text.maxPositions == 64);
    CHECK(config.text.rmsNormEps == 1e-5F);
    CHECK(config.text.ropeTheta == 500000.0);
    CHECK(!config.text.normExpertWeight);
    CHECK(!config.vision);
    CHECK(config.imageTokenId == -1);
    CHECK(!config.blockFp8);
    CHECK(config.generation.eosTokenIds == std::vector<std::int32_t>{1});
}

TEST_CASE("layers with experts are listed as text or as numbers") {
    TinyCheckpoint tiny;
    const auto layers = [&](const Json& value) {
        tiny.config["moe_layers_enum"] = value;
        return model::parseModelConfig(tiny.config, "c").text.isMoeLayer;
    };
    CHECK(layers("0, 1") == std::vector<bool>{true, true});
    CHECK(layers("0") == std::vector<bool>{true, false});
    CHECK(layers({1}) == std::vector<bool>{false, true});
    CHECK(layers(Json::array()) == std::vector<bool>{false, false});
    tiny.config.erase("moe_num_experts");  // not needed without such layers
    CHECK(layers("") == std::vector<bool>{false, false});
}

TEST_CASE("the default RoPE is accepted in every spelling") {
    TinyCheckpoint tiny;
    for (const char* text : {"null", "{}", R"({"type": "default"})", R"({"rope_type": "default", "rope_theta": 7})"}) {
        CAPTURE(text);
        tiny.config["rope_scaling"] = Json::parse(text);
        CHECK_NOTHROW(model::parseModelConfig(tiny.config, "c"));
    }
    CHECK(model::parseModelConfig(tiny.config, "c").text.ropeTheta == 7.0);
    tiny.config["rope_theta"] = 9;
    CHECK(model::parseModelConfig(tiny.config, "c").text.ropeTheta == 9.0);
}

TEST_CASE("the smaller of the two context lengths counts") {
    TinyCheckpoint tiny;
    tiny.config["max_position_embedding"] = 32;
    CHECK(model::parseModelConfig(tiny.config, "c").text.maxPositions == 32);
    tiny.config["max_position_embedding"] = 4096;
    CHECK(model::parseModelConfig(tiny.config, "c").text.maxPositions == 64);
}

TEST_CASE("generation_config.json goes over config.json") {
    const Folder folder;
    TinyCheckpoint tiny;
    tiny.config["temperature"] = 0.1;
    tiny.config["do_sample"] = false;
    tiny.write(folder);
    folder.write("generation_config.json",
                 R"({"eos_token_id": [2, 3], "temperature": 0.6, "do_sample": true, "top_k": -1, "top_p": 0.95,
                     "repetition_penalty": 1.1, "max_new_tokens": 100, "bos_token_id": 0, "pad_token_id": null})");
    const auto generation = model::loadModelConfig(folder.path()).generation;
    CHECK(generation.eosTokenIds == std::vector<std::int32_t>{2, 3});
    CHECK(generation.temperature == 0.6F);
    CHECK(generation.doSample);
    CHECK(generation.topK == -1);
    CHECK(generation.topP == 0.95F);
    CHECK(generation.repetitionPenalty == 1.1F);
    CHECK(generation.maxNewTokens == 100);
    CHECK(generation.bosTokenId == 0);
    CHECK(!generation.padTokenId);
}

TEST_CASE("the golden configuration is read with its vision part") {
    const auto config = model::loadModelConfig(std::string(STEP3_TEST_DATA) + "/golden/tiny-fp8");
    REQUIRE(config.vision);
    REQUIRE(config.preprocessor);
    CHECK(config.vision->numHeads == 2);
    CHECK(config.vision->projectorStride == 2);
    CHECK(config.preprocessor->imageSize == config.vision->imageSize);
    CHECK(config.imageTokenId == 754);
    CHECK(config.blockFp8);
    CHECK(config.fp8BlockN == 128);
    CHECK(config.generation.eosTokenIds == std::vector<std::int32_t>{751, 760});
}

TEST_CASE("the registry has the tensors of every part, each once, with sizes from the configuration") {
    const auto config = model::loadModelConfig(std::string(STEP3_TEST_DATA) + "/golden/tiny-bf16");
    const auto registry = model::tensorRegistry(config);
    std::map<std::string, const model::TensorSpec*> byName;
    for (const auto& spec : registry) {
        INFO(spec.name);
        CHECK(byName.emplace(spec.name, &spec).second);
        for (const std::int64_t extent : spec.shape) CHECK(extent > 0);
        CHECK(spec.axes.front() == '[');
        CHECK(std::count(spec.axes.begin(), spec.axes.end(), ',') + 1 ==
              static_cast<std::ptrdiff_t>(spec.shape.size()));
    }
    const auto& text = config.text;
    CHECK(byName.at("lm_head.weight")->shape == std::vector<std::int64_t>{text.vocabSize, text.hiddenSize});
    CHECK(byName.at("model.layers.0.self_attn.wq.weight")->shape ==
          std::vector<std::int64_t>{text.numHeads * text.headDim, text.shareQDim});
    CHECK(byName.at("model.layers.0.mlp.down_proj.weight")->role == model::TensorRole::kFfn);
    CHECK(byName.at("model.layers.1.moe.gate.weight")->role == model::TensorRole::kAttention);
    CHECK(byName.at("model.layers.1.moe.up_proj.weight")->shape ==
          std::vector<std::int64_t>{text.numExperts, text.moeIntermediateSize, text.hiddenSize});
    CHECK(byName.at("model.layers.1.moe.up_proj.weight")->layer == 1);
    CHECK(byName.at("vit_downsampler.weight")->role == model::TensorRole::kVision);
    CHECK(byName.at("vit_large_projector.bias")->optional);
}
