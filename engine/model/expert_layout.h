#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/model/checkpoint.h"
#include "engine/model/packing.h"
#include "engine/model/weight_options.h"
#include "kernels/moe/grouped_ffn.h"

namespace step3::model {

/// One matrix of a routed expert: how it is stored and how it lies in the expert's memory.
struct ExpertMatrix {
    const TensorSpec* spec = nullptr;
    kernels::WeightView rows;        // as stored, without data
    bool packs = false;              // else the rows stay as they are
    kernels::WeightView view;        // in memory, without data
    bool makesScales = false;        // block scales are computed, not read
    std::int64_t at = 0;             // offset of the data
    std::int64_t scalesAt = 0;       // offset of the scales, if `view` has any beside its data
    std::int64_t scaleRowBytes = 0;  // of a stored row of scales: of each row of blocks, or of each row; 0: none stored
};

/// How routed experts lie in memory of their own, each in one stretch. Borrows the checkpoint's registry.
struct ExpertLayout {
    ExpertLayout(const Checkpoint& checkpoint, const WeightFormats& formats);

    struct Layer {
        std::array<ExpertMatrix, 3> matrices;  // gate, up, down
    };
    std::vector<Layer> layers;             // the MoE layers
    std::vector<std::int64_t> moeLayerOf;  // [layers of the model] number among the MoE layers; -1: dense
    std::int64_t experts = 0;              // E
    std::int64_t bytes = 0;                // memory of any one expert, a multiple of kPackedAlignment

    /// The matrix that lies in the expert's memory.
    static kernels::WeightView view(const ExpertMatrix& matrix, const std::byte* memory);
    [[nodiscard]] kernels::FfnWeights weights(std::int64_t moeLayer, const std::byte* memory) const;
};

}  // namespace step3::model
