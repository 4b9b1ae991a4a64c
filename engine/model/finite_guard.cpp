#include "engine/model/finite_guard.h"

#include <atomic>

#include "engine/model/finite.h"

namespace step3::model {

void checkTensor(const Checkpoint& checkpoint, const TensorSpec& spec) {
    const Tensor* tensor = checkpoint.find(spec.name);
    if (tensor == nullptr) return;
    const std::span<const std::byte> bytes(tensor->data, tensor->byteSize);
    const std::string place = checkpoint.place(spec.name);
    switch (tensor->dtype) {
        case kernels::DType::kE4M3:
            checkBlockScales({tensor->scaleInv, tensor->scaleBytes / 4}, checkpoint.place(spec.name + "_scale_inv"));
            checkCodes(bytes, place);
            break;
        case kernels::DType::kInt8Group:
        case kernels::DType::kInt4Group:
            checkGroupScales({tensor->groupScales, tensor->scaleBytes / 2}, checkpoint.place(spec.name + "_scale"));
            break;
        default: checkFloats(bytes, tensor->dtype, place);
    }
}

bool FiniteGuard::concerns(const TensorSpec& spec, std::int64_t layer) {
    const bool head = spec.name == "lm_head.weight" || spec.name == "model.norm.weight";
    if (layer == kHead) return head;
    if (spec.role == TensorRole::kVision || spec.name == "model.embed_tokens.weight") return layer == 0;
    return spec.layer == layer;
}

void FiniteGuard::check(std::span<const float> values, std::int64_t layer) {
    const bool finite = kernels_.allFinite(values.data(), static_cast<std::int64_t>(values.size()));
    if (finite || sound_.count(layer) > 0) return;
    checkLayer(layer);
    sound_.insert(layer);
}

void FiniteGuard::checkLayer(std::int64_t layer) const {
    for (const TensorSpec& spec : checkpoint_->registry()) {
        if (concerns(spec, layer)) checkTensor(*checkpoint_, spec);
    }
}

void FiniteGuard::use(kernels::ThreadPool& pool, const kernels::WeightView& matrix, std::int64_t layer) {
    if (matrix.dtype != kernels::DType::kE4M3 || matrix.layout != kernels::Layout::kRows) return;  // packed: checked
    if (used_.count(matrix.data) > 0) return;
    const auto* codes = static_cast<const std::byte*>(matrix.data);
    std::atomic<bool> nan{false};
    constexpr std::int64_t kPiece = 1 << 20;
    pool.parallelFor(matrix.n * matrix.k, kPiece, [&](std::int64_t begin, std::int64_t end) {
        if (hasNanCode({codes + begin, static_cast<std::size_t>(end - begin)})) nan = true;
    });
    if (nan) checkLayer(layer);
    used_.insert(matrix.data);
}

}  // namespace step3::model
