#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "engine/model/weight_options.h"

namespace step3::cli {

/// --quant, --load and --expert-memory of every command that opens a model.
struct WeightChoice {
    std::string quant = "bf16";
    std::string load = "auto";
    std::string expertMemory;

    [[nodiscard]] model::WeightFormats formats() const;
    [[nodiscard]] model::WeightOptions options() const;
};

/// `choice` must outlive the parsing.
void addWeightOptions(CLI::App& command, WeightChoice& choice, const std::string& group = "Options");

}  // namespace step3::cli
