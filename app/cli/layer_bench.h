#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/model/weight_options.h"
#include "kernels/attention/kv_format.h"

namespace step3::cli {

struct LayerBenchOptions {
    model::WeightFormats formats;  // kStored: FP8 as published, or BF16 if `bf16`
    bool bf16 = false;
    kernels::KvFormat kvFormat = kernels::KvFormat::kBf16;
    int threads = 0;           // 0: all usable CPUs
    std::int64_t batch = 1;    // sequences that decode together
    std::int64_t depth = 512;  // tokens of context of each
    int repeat = 5;            // measured steps
};

/// `step3 bench --layer real`: Step3's layers at their real sizes with arbitrary weights. One attention layer, one
/// dense and one MoE layer with all 48 experts and an eighth of the LM head are held in memory and run as a decode step
/// does; from their medians follows the time of a step of all 61 layers (5 dense, 56 MoE), here if it had the memory,
/// and on machines with a stated memory bandwidth at the same fraction of it. Throws Error kResourceExhausted if the
/// layers do not fit.
Json benchRealLayers(const LayerBenchOptions& options);
/// The same as text.
std::string layerBenchText(const Json& report);

}  // namespace step3::cli
