#include "engine/model/config_json.h"
#include "tests/fuzz/fuzz_entry.h"

// config.json, with the fields of generation_config.json and preprocessor_config.json in the same object: all three
// readers see the input.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    fuzz::accepts([&] {
        const Json object = model::parseConfigObject(fuzz::textOf(data, size), "x");
        const auto generation = object.find("generation_config");
        const auto preprocessor = object.find("preprocessor_config");
        model::ModelConfig config = model::parseModelConfig(object, "x");
        fuzz::require(config.text.hiddenSize > 0 && config.text.headDim % 2 == 0, "sizes are checked");
        fuzz::require(static_cast<std::int64_t>(config.text.isMoeLayer.size()) == config.text.numLayers,
                      "every layer has a kind");
        if (generation != object.end() && generation->is_object())
            model::readGenerationConfig(*generation, "g", config);
        if (preprocessor != object.end() && preprocessor->is_object() && config.vision)
            model::readPreprocessorConfig(*preprocessor, "p", config);
    });
    return 0;
}
