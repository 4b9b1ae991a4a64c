#include "app/cli/weight_choice.h"

#include "app/cli/command.h"
#include "app/cli/kv_choice.h"

namespace step3::cli {

model::WeightFormats WeightChoice::formats() const {
    return *model::parseWeightFormats(quant);
}

model::WeightOptions WeightChoice::options() const {
    const std::uint64_t experts = expertMemory.empty() ? 0 : parseMemorySize(expertMemory).value();
    return {*model::parseLoadMode(load), formats(), experts};
}

void addWeightOptions(CLI::App& command, WeightChoice& choice, const std::string& group) {
    command
        .add_option("--quant", choice.quant,
                    "Weights in memory: bf16 (as stored), fp8, int8, int4 or mixed (experts int4, rest int8) (default: "
                    "bf16)")
        ->type_name("FORMAT")
        ->check(oneOf({"bf16", "fp8", "int8", "int4", "mixed"}))
        ->group(group);
    command
        .add_option("--load", choice.load,
                    "Weights: read into memory; offload (read, but experts stay on disk, those used most in memory); "
                    "mmap (left in their files); or auto: read if they fit, else offload (default: auto)")
        ->type_name("MODE")
        ->check(oneOf({"auto", "read", "offload", "mmap"}))
        ->group(group);
    command
        .add_option("--expert-memory", choice.expertMemory,
                    "Memory for experts that are offloaded, such as 8G (default: what is free)")
        ->type_name("SIZE")
        ->check(kMemorySize)
        ->group(group);
}

}  // namespace step3::cli
