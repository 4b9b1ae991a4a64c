#pragma once

#include <cstdint>

#include "engine/model/checkpoint.h"
#include "engine/model/weight_options.h"

namespace step3::model {

/// Bytes of memory the weights of `checkpoint` take once packed. BF16 weights count as compact where they may become
/// it; whether their numbers allow it shows only when they are read.
std::uint64_t packedBytes(const Checkpoint& checkpoint, const WeightFormats& formats);

/// What the weights of a checkpoint take once packed, in bytes.
struct LoadNeeds {
    std::uint64_t all = 0;
    std::uint64_t everyToken = 0;  // part of these: all but the routed experts
    std::uint64_t expert = 0;      // one routed expert
    std::uint64_t experts = 0;     // number of routed experts, all layers together; 0: a dense model
    std::uint64_t picked = 0;      // experts a token picks in a layer
};
LoadNeeds loadNeeds(const Checkpoint& checkpoint, const WeightFormats& formats);

/// What opening a checkpoint comes to.
struct LoadPlan {
    LoadMode mode = LoadMode::kRead;  // never kAuto
    std::uint64_t expertMemory = 0;   // kOffload: bytes of experts kept in memory
};

/// Decides by what the weights need and what memory is free whether and how they can be loaded as asked; leaves an
/// eighth of the free memory for activations and the like and, where experts are offloaded, a quarter for the KV cache.
/// Throws Error kResourceExhausted with the figures, or kInvalidArgument for what can never work.
LoadPlan planLoad(const WeightOptions& wanted, const LoadNeeds& needs, std::uint64_t available);

}  // namespace step3::model
