#include "engine/model/packing.h"

#include <string>

#include "engine/error.h"
#include "kernels/gemm/panels.h"

namespace step3::model {

using kernels::DType;
using kernels::WeightView;

namespace {
constexpr std::int64_t kQuantBlock = 128;  // rows and columns of an E4M3 block made here
}

std::optional<DType> packedType(const TensorSpec& spec, const Checkpoint& checkpoint, const WeightFormats& formats) {
    const bool matrix = spec.shape.size() >= 2 && spec.name.ends_with(".weight") &&
                        spec.name != "model.embed_tokens.weight" && !spec.name.ends_with("position_embedding.weight");
    if (!matrix || checkpoint.find(spec.name) == nullptr) return std::nullopt;
    const WeightView rows = checkpoint.matrix(spec.name);
    const WeightFormat format = formatOf(spec, formats);
    if (format == WeightFormat::kInt8) return DType::kInt8Group;
    if (format == WeightFormat::kInt4) return DType::kInt4Group;
    if (format == WeightFormat::kFp8 && rows.dtype != DType::kE4M3) return DType::kE4M3;
    return kernels::canPack(rows) ? std::optional(rows.dtype) : std::nullopt;
}

bool compactsWeights(const Checkpoint& checkpoint, const WeightFormats& formats) {
    std::uint64_t bytes = 0;
    for (const TensorSpec& spec : checkpoint.registry()) {
        if (packedType(spec, checkpoint, formats) != DType::kBF16) continue;
        const WeightView rows = checkpoint.matrix(spec.name);
        bytes += static_cast<std::uint64_t>(kernels::panelMatrixBytes(DType::kBF16, rows.n, rows.k) * matricesOf(spec));
    }
    return bytes >= formats.compactFrom;
}

PackedMatrix packedMatrix(const WeightView& rows, DType dtype) {
    PackedMatrix packed;
    packed.view = rows;
    packed.view.data = nullptr;
    packed.view.scaleInv = nullptr;
    packed.view.groupScales = nullptr;
    packed.view.dtype = dtype;
    packed.view.layout = kernels::Layout::kPanels;
    packed.bytes = kernels::panelMatrixBytes(dtype, rows.n, rows.k);
    if (dtype != DType::kE4M3) return packed;
    packed.makesScales = rows.dtype != DType::kE4M3;
    if (packed.makesScales) packed.view.blockN = packed.view.blockK = kQuantBlock;
    packed.view.scaleStride = (rows.k + packed.view.blockK - 1) / packed.view.blockK;
    packed.scales = (rows.n + packed.view.blockN - 1) / packed.view.blockN * packed.view.scaleStride;
    return packed;
}

std::int64_t matricesOf(const TensorSpec& spec) {
    return spec.shape.size() == 3 ? spec.shape[0] : 1;
}

void failNotFinite(const Checkpoint& checkpoint, const TensorSpec& spec, std::int64_t matrix, std::int64_t row) {
    const std::string expert = spec.shape.size() == 3 ? " of expert " + std::to_string(matrix) : "";
    throw Error(
        ErrorCode::kInvalidData,
        checkpoint.place(spec.name) + ": expected finite weights, found others in row " + std::to_string(row) + expert);
}

}  // namespace step3::model
