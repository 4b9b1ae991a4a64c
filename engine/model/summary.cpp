#include "engine/model/summary.h"

namespace step3::model {

namespace {

std::uint64_t elements(const TensorSpec& spec) {
    std::uint64_t count = 1;
    for (const std::int64_t size : spec.shape) count *= static_cast<std::uint64_t>(size);
    return count;
}

}  // namespace

CheckpointSummary summarize(const Checkpoint& checkpoint) {
    const ModelConfig& config = checkpoint.config();
    CheckpointSummary summary;
    for (const TensorSpec& spec : checkpoint.registry()) {
        const Tensor* tensor = checkpoint.find(spec.name);
        if (tensor == nullptr) continue;  // optional
        const std::uint64_t count = elements(spec);
        const std::uint64_t bytes = tensor->byteSize + tensor->scaleBytes;
        summary.parametersTotal += count;
        summary.bytesTotal += bytes;
        summary.bytesByRole[spec.role] += bytes;
        summary.bytesByFormat[tensor->dtype] += bytes;
        if (spec.role == TensorRole::kVision || spec.name == "model.embed_tokens.weight") continue;
        if (isRoutedExpert(spec)) {
            const auto experts = static_cast<std::uint64_t>(config.text.numExperts);
            const auto chosen = static_cast<std::uint64_t>(config.text.topK);
            summary.parametersActive += count / experts * chosen;
            summary.bytesActive += bytes / experts * chosen;
        } else {
            summary.parametersActive += count;
            summary.bytesActive += bytes;
            summary.bytesEveryToken += bytes;
        }
    }
    return summary;
}

}  // namespace step3::model
