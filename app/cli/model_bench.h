#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/engine.h"
#include "engine/json.h"
#include "engine/model/weight_options.h"
#include "kernels/attention/kv_format.h"

namespace step3::cli {

struct ModelBenchOptions {
    std::filesystem::path model;
    model::WeightOptions weights;
    std::uint64_t kvMemoryBytes = 0;  // 0: what is needed
    kernels::KvFormat kvFormat = kernels::KvFormat::kBf16;
    bool prefixCache = true;  // in the conversation
    int threads = 0;          // 0: all usable CPUs
    std::int64_t prompt = 0;  // tokens of the prompt that is read; 0: none
    std::int64_t decode = 0;  // steps that are decoded; 0: none
    std::int64_t batch = 1;   // sequences that decode together
    std::int64_t depth = 0;   // tokens of context of each at the start
};

/// How an engine is opened for a bench of the same model, weights, threads and KV cache.
OpenOptions engineOptions(const ModelBenchOptions& options);

/// Runs the model's forward pass on random tokens and measures it (spec performance section 5): the prompt as one
/// sequence with the logits of its last token, the decode steps with the logits of all. Loading and warm-up are not
/// part of the speeds. `roofline_fraction` is of what this machine gives, measured at the end: when decoding, the bytes
/// of weights read a second against its memory bandwidth; of a prompt, the matrices' operations against its
/// multiply-adds. Throws Error.
Json benchModel(const ModelBenchOptions& options);
/// The same as text.
std::string modelBenchText(const Json& report);

}  // namespace step3::cli
