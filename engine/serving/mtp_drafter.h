#pragma once

#include <memory>

#include "engine/attention/kv_pool.h"
#include "engine/model/checkpoint.h"
#include "engine/serving/drafter.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::serving {

/// Guesses with a checkpoint's prediction module (`module`: model::openPredictionModule). Its input at token t is the
/// trunk's output there and the embedding of token t + 1, its output the logits of token t + 2; for the tokens after
/// that it takes its own output for the trunk's. It has a KV cache of its own, `kv`.
std::unique_ptr<Drafter> makeMtpDrafter(std::shared_ptr<const model::Checkpoint> module, kernels::ThreadPool& pool,
                                        const attention::KvOptions& kv);

}  // namespace step3::serving
