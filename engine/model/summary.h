#pragma once

#include <cstdint>
#include <map>

#include "engine/model/checkpoint.h"

namespace step3::model {

/// What a checkpoint holds, from its registry and headers alone: no weight is read. Bytes include the scales of
/// quantised tensors.
struct CheckpointSummary {
    std::uint64_t parametersTotal = 0;
    /// Those that take part in one text token: of the routed experts top-k of E, neither the vision part nor the
    /// embedding table, of which a token reads one row (spec step3-model section 1.2).
    std::uint64_t parametersActive = 0;
    std::uint64_t bytesTotal = 0;
    std::uint64_t bytesActive = 0;      // of parametersActive
    std::uint64_t bytesEveryToken = 0;  // part of these: all but the routed experts
    std::map<TensorRole, std::uint64_t> bytesByRole;
    std::map<kernels::DType, std::uint64_t> bytesByFormat;
};

CheckpointSummary summarize(const Checkpoint& checkpoint);

}  // namespace step3::model
