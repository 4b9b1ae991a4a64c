#pragma once

#include <memory>

#include "engine/model/checkpoint.h"

namespace step3::cli {

/// A text model of any size with arbitrary weights, for benchmarks without files. All matrices, and all experts of one,
/// show the same small block of memory: as a checkpoint to repack it costs next to nothing, however large the model.
/// Matrices are BF16, or E4M3 where a checkpoint may have it if `fp8`.
std::shared_ptr<const model::Checkpoint> syntheticCheckpoint(const model::TextConfig& text, bool fp8);

/// Step3's text model (spec step3-model section 1.2) cut to its first `layers` layers, of which those from `firstMoe`
/// on are MoE layers, and to 1 / `vocabShare` of its vocabulary.
model::TextConfig step3TextConfig(std::int64_t layers, std::int64_t firstMoe, std::int64_t vocabShare);

}  // namespace step3::cli
