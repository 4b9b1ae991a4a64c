#pragma once

#include <memory>
#include <stop_token>

#include "engine/model/checkpoint.h"
#include "engine/model/weight_options.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::model {

/// Bytes of memory the weights of `checkpoint` take once repacked.
std::uint64_t packedBytes(const Checkpoint& checkpoint, const WeightFormats& formats);

/// Throws Error kInvalidData: row `row` of matrix `matrix` (of a fused tensor) holds weights that cannot be quantised.
[[noreturn]] void failNotFinite(const Checkpoint& checkpoint, const TensorSpec& spec, std::int64_t matrix,
                                std::int64_t row);

/// A checkpoint whose matrices lie repacked (and quantised as `formats` asks) in memory, the rest still being views
/// into the mapped files. Every matrix is repacked on all threads of the pool and its pages of the file are given back,
/// so no weight is held twice; if the checkpoint takes a large part of the memory, the system's file cache is told to
/// forget it too. Throws Error kResourceExhausted, or kCancelled if `stop` is requested.
std::shared_ptr<const Checkpoint> readWeights(std::shared_ptr<const Checkpoint> checkpoint,
                                              const WeightFormats& formats, kernels::ThreadPool& pool,
                                              const kernels::KernelTable& kernels, const OpenProgressFn& progress = {},
                                              const std::stop_token& stop = {});

/// kRead or kMap for `wanted` = kAuto, by what the weights need and what memory is free; checks that both can work.
/// `alwaysRead`: bytes every token reads, which have to stay in memory even where the files are mapped. Throws Error
/// kResourceExhausted with the figures.
LoadMode chooseLoadMode(LoadMode wanted, const WeightFormats& formats, std::uint64_t packed, std::uint64_t alwaysRead,
                        std::uint64_t available);

/// Maps and checks a checkpoint and, as `options` and the free memory decide, reads its weights into memory.
std::shared_ptr<const Checkpoint> openWeights(const std::filesystem::path& folder, const WeightOptions& options,
                                              kernels::ThreadPool& pool, const OpenProgressFn& progress = {},
                                              const std::stop_token& stop = {});

}  // namespace step3::model
