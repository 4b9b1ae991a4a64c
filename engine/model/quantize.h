#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "engine/model/config.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::model {

// Quantised checkpoints. The folder is a checkpoint like any other, with the same tensor names (spec step3-model
// section 3) and `quantization_config` in its config.json:
//
//   {"quant_method": "step3_groups", "group_size": 32,
//    "formats": {"experts": "int4", "attention": "int8", "lm_head": "int8"}}     (or "stored")
//
// A quantised X.weight of the registry's shape [..., n, k] is two tensors:
//
//   X.weight        U8    int8: [..., n, k], code + 128;  int4: [..., n, ceil(k/2)], code + 8, value 2j in the low half
//                         of byte j and value 2j + 1 in the high one
//   X.weight_scale  BF16  [..., n, ceil(k/group_size)]
//
//   W[o, i] = scale[o, i / group_size] * code[o, i]
//
// "attention" covers attention, dense and shared FFN. Norms, the router, embeddings and the vision part stay as they
// are, and so does a part that is "stored", block FP8 included (its weight_block_size is then kept beside the rest).

struct QuantizeOptions {
    std::filesystem::path source;  // BF16, F16, F32 or block-FP8 checkpoint
    std::filesystem::path target;  // made if absent; else empty, or left by an earlier run with the same options
    GroupQuantization groups;
    std::uint64_t shardBytes = 4ULL << 30;  // most bytes of a file, unless one tensor has more
};

struct QuantizeProgress {
    std::uint64_t bytesDone = 0;  // of the target's weights
    std::uint64_t bytesKept = 0;  // part of these: found finished when it began
    std::uint64_t bytesTotal = 0;
};
using QuantizeProgressFn = std::function<void(const QuantizeProgress&)>;

struct QuantizeReport {
    std::uint64_t sourceBytes = 0, targetBytes = 0;  // of weights
    std::int64_t files = 0, filesKept = 0;           // of weights; kept: finished by an earlier run
};

/// Writes a quantised copy of a checkpoint, the other files of its folder included. Rows are quantised on all threads,
/// some megabytes at a time. Every file is written under another name, brought to the disk and then renamed;
/// config.json and the index come last, so a folder that opens is whole. A run that ended early, whatever ended it, is
/// continued by the next one: quantize.json tells what the folder is made from, and finished files are checked by size
/// and header and kept. Tensors the architecture does not have are left out. Throws Error: kInvalidArgument for a
/// target that is or lies in the source, or holds anything else; kResourceExhausted with figures if the disk lacks
/// space; kInvalidData for weights that are not finite; kCancelled if `stop` is requested; kIo.
QuantizeReport quantizeCheckpoint(const QuantizeOptions& options, kernels::ThreadPool& pool,
                                  const QuantizeProgressFn& progress = {}, const std::stop_token& stop = {});

/// Throws Error kResourceExhausted with both figures if `free` bytes of the disk of `folder` are fewer than `needed`.
void requireDiskSpace(const std::filesystem::path& folder, std::uint64_t needed, std::uint64_t free);

}  // namespace step3::model
