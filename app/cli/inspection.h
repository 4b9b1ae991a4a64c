#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "app/cli/machine.h"
#include "engine/json.h"
#include "engine/model/load_plan.h"
#include "engine/model/summary.h"

namespace step3::cli {

/// What a checkpoint is and what running it here would take, from its configuration and headers.
struct Inspection {
    std::filesystem::path folder;
    model::ModelConfig config;
    model::CheckpointSummary summary;
    /// Weights in memory: "stored" first, then by the names of --quant: fp8, int8, mixed, int4.
    std::vector<std::pair<std::string, std::uint64_t>> memoryByFormat;
    model::LoadNeeds needs;  // as stored
    std::uint64_t kvBytesPerToken = 0;
    Machine machine;

    /// Of one conversation over the whole context.
    [[nodiscard]] std::uint64_t kvBytes() const;
};

enum class Fit { kYes, kFromDisk, kNo };
struct Verdict {
    Fit fit;
    std::string sentence;  // with figures
};
/// What opening the model as stored would come to: kYes: its weights are read into memory; kFromDisk: experts are
/// offloaded; kNo: refused.
Verdict judge(const Inspection& inspection);

/// Reads configuration and headers; no weight but the scales of FP8 tensors, which are checked. Throws Error.
Inspection inspect(const std::filesystem::path& folder);

Json inspectionJson(const Inspection& inspection);
std::string inspectionText(const Inspection& inspection);

}  // namespace step3::cli
