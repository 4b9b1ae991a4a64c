#include "engine/model/expert_layout.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "engine/error.h"

namespace step3::model {
namespace {

using kernels::DType;

/// Places a matrix at `end` of the expert's memory and moves `end` behind it.
ExpertMatrix place(const TensorSpec& spec, const Checkpoint& checkpoint, const WeightFormats& formats,
                   std::int64_t& end) {
    ExpertMatrix matrix;
    matrix.spec = &spec;
    matrix.rows = checkpoint.matrix(spec.name);
    if (matrix.rows.groupScales != nullptr) matrix.scaleRowBytes = matrix.rows.scaleStride * 2;
    if (matrix.rows.scaleInv != nullptr) matrix.scaleRowBytes = matrix.rows.scaleStride * 4;
    matrix.rows.data = nullptr;
    matrix.rows.groupScales = nullptr;
    matrix.rows.scaleInv = nullptr;

    std::int64_t bytes = matrix.rows.n * kernels::rowBytes(matrix.rows.dtype, matrix.rows.k);
    std::int64_t scaleBytes = 0;
    matrix.view = matrix.rows;
    if (const auto dtype = packedType(spec, checkpoint, formats)) {
        const PackedMatrix packed = packedMatrix(matrix.rows, *dtype);
        matrix.packs = true;
        matrix.view = packed.view;
        matrix.makesScales = packed.makesScales;
        bytes = packed.bytes;
        scaleBytes = packed.scales * 4;
    } else if (matrix.rows.dtype == DType::kE4M3) {
        scaleBytes = (matrix.rows.n + matrix.rows.blockN - 1) / matrix.rows.blockN * matrix.scaleRowBytes;
    } else if (kernels::isGroupFormat(matrix.rows.dtype)) {
        scaleBytes = matrix.rows.n * matrix.scaleRowBytes;
    }
    matrix.at = end;
    matrix.scalesAt = matrix.at + alignPacked(bytes);
    end = matrix.scalesAt + alignPacked(scaleBytes);
    return matrix;
}

}  // namespace

ExpertLayout::ExpertLayout(const Checkpoint& checkpoint, const WeightFormats& formats)
    : experts(checkpoint.config().text.numExperts) {
    std::unordered_map<std::string, const TensorSpec*> specs;
    for (const TensorSpec& spec : checkpoint.registry()) {
        if (isRoutedExpert(spec)) specs[spec.name] = &spec;
    }
    for (std::int64_t layer = 0; layer < checkpoint.config().text.numLayers; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer) + ".moe.";
        if (specs.count(prefix + "gate_proj.weight") == 0) {
            moeLayerOf.push_back(-1);
            continue;
        }
        moeLayerOf.push_back(static_cast<std::int64_t>(layers.size()));
        std::int64_t end = 0;
        const auto at = [&](const char* name) { return place(*specs.at(prefix + name), checkpoint, formats, end); };
        layers.push_back({{at("gate_proj.weight"), at("up_proj.weight"), at("down_proj.weight")}});
        bytes = std::max(bytes, end);
    }
}

kernels::WeightView ExpertLayout::view(const ExpertMatrix& matrix, const std::byte* memory) {
    kernels::WeightView view = matrix.view;
    view.data = memory + matrix.at;
    const bool rows = view.layout == kernels::Layout::kRows;
    if (view.dtype == DType::kE4M3) view.scaleInv = reinterpret_cast<const float*>(memory + matrix.scalesAt);
    if (rows && kernels::isGroupFormat(view.dtype))
        view.groupScales = reinterpret_cast<const std::uint16_t*>(memory + matrix.scalesAt);
    return view;
}

kernels::FfnWeights ExpertLayout::weights(std::int64_t moeLayer, const std::byte* memory) const {
    const auto& [gate, up, down] = layers[static_cast<std::size_t>(moeLayer)].matrices;
    return {view(gate, memory), view(up, memory), view(down, memory)};
}

}  // namespace step3::model
