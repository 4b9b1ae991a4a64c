#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/checkpoint.h"

namespace step3::model {

/// Where a tensor's data and scales go in a file that is to be written.
struct PlannedTensor {
    const TensorSpec* spec = nullptr;
    WeightFormat format = WeightFormat::kStored;  // kStored: copied, scales included
    std::uint64_t dataAt = 0, dataBytes = 0;      // from the file's first byte
    std::uint64_t scalesAt = 0, scaleBytes = 0;
    std::string scaleName;  // empty: no scales
};

/// A safetensors file that is to be written.
struct PlannedShard {
    std::string file;
    std::string header;  // with its length in front, padded so that the data begins at a multiple of 64
    std::uint64_t bytes = 0;
    std::vector<PlannedTensor> tensors;
};

/// The files of a checkpoint quantised as `groups` says: registry order, each file at most `shardBytes` of data unless
/// one tensor has more. The same checkpoint and arguments give the same plan.
std::vector<PlannedShard> planShards(const Checkpoint& checkpoint, const GroupQuantization& groups,
                                     std::uint64_t shardBytes);

}  // namespace step3::model
