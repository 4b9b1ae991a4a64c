#pragma once

#include <memory>
#include <stop_token>

#include "engine/model/checkpoint.h"
#include "engine/model/weight_options.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::model {

/// A checkpoint whose matrices lie repacked (and quantised as `formats` asks) in memory, the rest still being views
/// into the mapped files. Every matrix is repacked on all threads of the pool and its pages of the file are given back,
/// so no weight is held twice; if the checkpoint takes a large part of the memory, the system's file cache is told to
/// forget it too. With `expertMemory` > 0 the routed experts stay in their files and are read into a cache of so many
/// bytes when they are needed (Checkpoint::expertCache). Throws Error kResourceExhausted, or kCancelled if `stop` is
/// requested.
std::shared_ptr<const Checkpoint> readWeights(std::shared_ptr<const Checkpoint> checkpoint,
                                              const WeightFormats& formats, kernels::ThreadPool& pool,
                                              const kernels::KernelTable& kernels, std::uint64_t expertMemory = 0,
                                              const OpenProgressFn& progress = {}, const std::stop_token& stop = {});

/// Maps and checks a checkpoint and, as `options` and the free memory decide, reads its weights into memory.
std::shared_ptr<const Checkpoint> openWeights(const std::filesystem::path& folder, const WeightOptions& options,
                                              kernels::ThreadPool& pool, const OpenProgressFn& progress = {},
                                              const std::stop_token& stop = {});

}  // namespace step3::model
