#include "engine/model/prediction_module.h"

#include <functional>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using test::Folder;
using test::RawTensor;
using test::TinyCheckpoint;

namespace {

std::string floats(const std::vector<std::int64_t>& shape, float first) {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
    return {reinterpret_cast<const char*>(values.data()), count * sizeof(float)};
}

/// The tensors of a tiny checkpoint's module; each begins with its place in the list times 1000.
std::vector<RawTensor> moduleTensors(const model::ModelConfig& config) {
    std::vector<RawTensor> tensors;
    for (const model::TensorSpec& spec : model::predictionRegistry(config)) {
        const auto first = 1000.0F * static_cast<float>(tensors.size());
        tensors.push_back({spec.name, "F32", spec.shape, floats(spec.shape, first)});
    }
    return tensors;
}

std::shared_ptr<const model::Checkpoint> openTiny(const Folder& folder) {
    TinyCheckpoint().write(folder);
    return model::Checkpoint::open(folder.path());
}

}  // namespace

TEST_CASE("a checkpoint without a prediction module has none") {
    const Folder folder;
    kernels::ThreadPool pool(1);
    CHECK(model::openPredictionModule(openTiny(folder), {}, pool) == nullptr);
}

TEST_CASE("a prediction module is a model of one dense layer with the checkpoint's embeddings and head") {
    const Folder folder;
    kernels::ThreadPool pool(1);
    const auto base = openTiny(folder);
    const auto tensors = moduleTensors(base->config());
    folder.write(model::kPredictionFile, test::safetensorsBytes(tensors));
    const auto module = model::openPredictionModule(base, {}, pool);
    REQUIRE(module != nullptr);
    CHECK(module->config().text.numLayers == 1);
    CHECK(module->config().text.isMoeLayer == std::vector<bool>{false});
    CHECK_FALSE(module->config().vision);
    for (const auto& [shown, stored] : std::map<std::string, std::string>{
             {"enorm.weight", "model.layers.2.enorm.weight"},
             {"hnorm.weight", "model.layers.2.hnorm.weight"},
             {"eh_proj.weight", "model.layers.2.eh_proj.weight"},
             {"model.norm.weight", "model.layers.2.shared_head.norm.weight"},
             {"model.layers.0.self_attn.wq.weight", "model.layers.2.self_attn.wq.weight"},
             {"model.layers.0.mlp.down_proj.weight", "model.layers.2.mlp.down_proj.weight"}}) {
        CAPTURE(shown);
        const auto at = std::find_if(tensors.begin(), tensors.end(),
                                     [&name = stored](const RawTensor& t) { return t.name == name; });
        REQUIRE(at != tensors.end());
        CHECK(module->get(shown).shape == at->shape);
        CHECK(module->floats(shown).at(0) == 1000.0F * static_cast<float>(at - tensors.begin()));
    }
    CHECK(module->matrix("eh_proj.weight").n == 6);
    CHECK(module->matrix("eh_proj.weight").k == 12);
    for (const char* shared : {"model.embed_tokens.weight", "lm_head.weight"}) {
        CHECK(module->find(shared) == base->find(shared));
    }
    CHECK(module->find("model.layers.1.moe.gate.weight") == nullptr);
}

TEST_CASE("a prediction module with a defect is refused, by file and tensor") {
    using Tensors = std::vector<RawTensor>;
    const auto named = [](Tensors& tensors, const std::string& name) -> RawTensor& {
        return *std::find_if(tensors.begin(), tensors.end(), [&](const RawTensor& t) { return t.name == name; });
    };
    const std::string layer = "model.layers.2.";
    struct Case {
        std::function<void(Tensors&)> damage;
        ErrorCode code;
        std::string message;
    };
    const Case cases[] = {
        {[&](Tensors& t) { t.erase(t.begin() + (&named(t, layer + "hnorm.weight") - t.data())); }, ErrorCode::kNotFound,
         "DIR: tensor model.layers.2.hnorm.weight: expected shape [6], found no such tensor"},
        {[&](Tensors& t) {
             named(t, layer + "eh_proj.weight").shape = {12, 6};
         },
         ErrorCode::kInvalidData,
         "DIR/mtp.safetensors: tensor model.layers.2.eh_proj.weight: expected shape [6, 12] [H, 2*H], found [12, 6]"},
        {[&](Tensors& t) { named(t, layer + "enorm.weight").dtype = "I32"; }, ErrorCode::kInvalidData,
         "DIR/mtp.safetensors: tensor model.layers.2.enorm.weight: expected dtype F32, F16 or BF16, found I32"},
        {[&](Tensors& t) {
             t.push_back({layer + "moe.gate.weight", "F32", {1}, floats({1}, 0)});
         },
         ErrorCode::kInvalidData,
         "DIR/mtp.safetensors: tensor model.layers.2.moe.gate.weight: expected only the 15 tensors of the module, "
         "found "
         "another"},
        {[&](Tensors& t) {
             named(t, layer + "self_attn.q_proj.weight").name = "model.layers.3.self_attn.q_proj.weight";
         },
         ErrorCode::kInvalidData,
         "DIR/mtp.safetensors: tensor model.layers.3.self_attn.q_proj.weight: expected only the 15 tensors of the "
         "module, found another"},
    };
    for (const Case& one : cases) {
        INFO(one.message);
        const Folder folder;
        kernels::ThreadPool pool(1);
        const auto base = openTiny(folder);
        Tensors tensors = moduleTensors(base->config());
        one.damage(tensors);
        folder.write(model::kPredictionFile, test::safetensorsBytes(tensors));
        try {
            model::openPredictionModule(base, {}, pool);
            FAIL("opened");
        } catch (const Error& error) {
            CHECK(error.code() == one.code);
            CHECK(folder.without(error.what()) == one.message);
        }
    }
}
