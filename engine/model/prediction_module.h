#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "engine/model/checkpoint.h"
#include "engine/model/weight_options.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::model {

/// The file of a checkpoint's multi-token prediction module; the checkpoint is complete without it.
inline constexpr const char* kPredictionFile = "mtp.safetensors";

/// All tensors of the prediction module of the model `config` describes. It is one more decoder layer, number L, with a
/// dense FFN, whose input joins the trunk's output at token t and the embedding of token t + 1 (DeepSeek-V3 technical
/// report, section 2.2): eh_proj [H, 2H] of (enorm(embedding), hnorm(trunk)). What leaves it goes through
/// shared_head.norm and the model's LM head and is about token t + 2.
std::vector<TensorSpec> predictionRegistry(const ModelConfig& config);

/// The prediction module of the model in `base`, or null if its folder holds none. It is shown as a model of one dense
/// layer: "model.layers.0.*" is the module's decoder layer, "model.norm.weight" its shared_head.norm, embedding and LM
/// head are those of `base`; "enorm.weight", "hnorm.weight" and "eh_proj.weight" are there under these names. Matrices
/// are read into memory in the formats asked for. Throws Error (file, tensor, expected, found) for tensors that are
/// missing, unknown or out of form.
std::shared_ptr<const Checkpoint> openPredictionModule(std::shared_ptr<const Checkpoint> base,
                                                       const WeightFormats& formats, kernels::ThreadPool& pool);

}  // namespace step3::model
