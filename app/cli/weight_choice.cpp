#include "app/cli/weight_choice.h"

#include "app/cli/command.h"

namespace step3::cli {

model::WeightFormats WeightChoice::formats() const {
    return *model::parseWeightFormats(quant);
}

model::WeightOptions WeightChoice::options() const {
    return {*model::parseLoadMode(load), formats()};
}

void addWeightOptions(CLI::App& command, WeightChoice& choice) {
    command
        .add_option("--quant", choice.quant,
                    "Weights in memory: bf16 (as stored), fp8, int8, int4 or mixed (experts int4, rest int8) (default: "
                    "bf16)")
        ->type_name("FORMAT")
        ->check(oneOf({"bf16", "fp8", "int8", "int4", "mixed"}));
    command
        .add_option("--load", choice.load,
                    "Weights: read into memory, mmap (left in their files), or auto, by what fits (default: auto)")
        ->type_name("MODE")
        ->check(oneOf({"auto", "read", "mmap"}));
}

}  // namespace step3::cli
