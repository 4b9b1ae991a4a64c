#include "engine/model/load_plan.h"

#include <algorithm>
#include <string>

#include "engine/error.h"
#include "engine/model/expert_layout.h"
#include "engine/model/packing.h"
#include "kernels/gemm/panels.h"

namespace step3::model {
namespace {

std::string mebibytes(std::uint64_t bytes) {
    return std::to_string(bytes >> 20U) + " MiB";
}

[[noreturn]] void invalid(const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, "weights: " + message);
}

std::uint64_t bytesOf(const TensorSpec& spec, const Checkpoint& checkpoint, const WeightFormats& formats,
                      bool compacts) {
    auto dtype = packedType(spec, checkpoint, formats);
    if (!dtype) return 0;
    if (compacts && dtype == kernels::DType::kBF16) dtype = kernels::DType::kCompactBF16;
    const kernels::WeightView rows = checkpoint.matrix(spec.name);
    return static_cast<std::uint64_t>(
        alignPacked(kernels::panelMatrixBytes(*dtype, rows.n, rows.k) * matricesOf(spec)));
}

/// Memory for experts beside the rest.
LoadPlan planOffload(const WeightOptions& wanted, const LoadNeeds& needs, std::uint64_t usable,
                     std::uint64_t available) {
    const std::uint64_t least = needs.picked * needs.expert;
    if (wanted.expertMemory > 0 && wanted.expertMemory < least) {
        invalid("expected at least " + std::to_string(least) + " bytes of memory for experts, the " +
                std::to_string(needs.picked) + " that a token picks in a layer, found " +
                std::to_string(wanted.expertMemory));
    }
    // Two thirds of what the rest leaves: the KV cache takes a quarter of what is free then.
    const std::uint64_t room = usable - std::min(usable, needs.everyToken);
    const std::uint64_t asked = wanted.expertMemory > 0 ? wanted.expertMemory : std::max(least, room / 3 * 2);
    const std::uint64_t memory = std::min(asked, needs.experts * needs.expert);
    if (memory > room) {
        throw Error(ErrorCode::kResourceExhausted,
                    "weights: expected at most " + mebibytes(usable) + " in memory (of " + mebibytes(available) +
                        " free), found " + mebibytes(needs.everyToken) + " that every token reads and " +
                        mebibytes(memory) + " for experts, of " + mebibytes(needs.all) +
                        " in all; smaller formats need less, and mmap runs with any memory, waiting for the disk at "
                        "every token");
    }
    return {LoadMode::kOffload, memory};
}

}  // namespace

std::uint64_t packedBytes(const Checkpoint& checkpoint, const WeightFormats& formats) {
    const bool compacts = compactsWeights(checkpoint, formats);
    std::uint64_t bytes = 0;
    for (const TensorSpec& spec : checkpoint.registry()) bytes += bytesOf(spec, checkpoint, formats, compacts);
    return bytes;
}

LoadNeeds loadNeeds(const Checkpoint& checkpoint, const WeightFormats& formats) {
    LoadNeeds needs;
    const bool compacts = compactsWeights(checkpoint, formats);
    for (const TensorSpec& spec : checkpoint.registry()) {
        const std::uint64_t bytes = bytesOf(spec, checkpoint, formats, compacts);
        needs.all += bytes;
        if (!isRoutedExpert(spec)) needs.everyToken += bytes;
    }
    const ExpertLayout layout(checkpoint, formats);
    if (layout.layers.empty()) return needs;
    needs.expert = static_cast<std::uint64_t>(layout.bytes);
    needs.experts = layout.layers.size() * static_cast<std::uint64_t>(layout.experts);
    needs.picked = static_cast<std::uint64_t>(checkpoint.config().text.topK);
    return needs;
}

LoadPlan planLoad(const WeightOptions& wanted, const LoadNeeds& needs, std::uint64_t available) {
    const std::uint64_t usable = available - available / 8;
    const LoadMode mode = wanted.mode == LoadMode::kAuto && wanted.expertMemory > 0 ? LoadMode::kOffload : wanted.mode;
    if (wanted.expertMemory > 0 && mode != LoadMode::kOffload)
        invalid("expected the offload mode with a memory for experts, found another: they are not kept apart there");
    if (mode == LoadMode::kMap) {
        if (!wanted.formats.allStored())
            invalid(
                "expected the read or offload mode for quantised weights, found mmap: mapped files cannot be changed");
        return {LoadMode::kMap, 0};
    }
    if (mode == LoadMode::kOffload) {
        if (needs.experts == 0) invalid("expected a model with routed experts for the offload mode, found none");
        return planOffload(wanted, needs, usable, available);
    }
    if (needs.all <= usable) return {LoadMode::kRead, 0};
    if (mode == LoadMode::kAuto && needs.experts > 0) return planOffload(wanted, needs, usable, available);
    throw Error(ErrorCode::kResourceExhausted, "weights: expected at most " + mebibytes(usable) + " in memory (of " +
                                                   mebibytes(available) + " free), found " + mebibytes(needs.all) +
                                                   "; smaller formats, offload or mmap need less");
}

}  // namespace step3::model
