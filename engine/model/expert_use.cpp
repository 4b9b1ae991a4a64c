#include "engine/model/expert_use.h"

#include <algorithm>

namespace step3::model {

namespace {
constexpr float kMemory = 1.0F / 32;  // weight of the last visit: what is used changes over some tens of tokens
constexpr float kLeast = 1e-3F;
}  // namespace

ExpertUse::ExpertUse(std::int64_t layers, std::int64_t experts, double prior)
    : layers_(layers),
      experts_(experts),
      share_(static_cast<std::size_t>(layers * experts), std::clamp(static_cast<float>(prior), kLeast, 1.0F)) {}

void ExpertUse::visit(std::int64_t layer, std::span<const std::int32_t> picked) {
    current_ = layer;
    float* share = share_.data() + layer * experts_;
    for (std::int64_t e = 0; e < experts_; ++e) share[e] -= kMemory * share[e];
    for (const std::int32_t expert : picked) share[expert] += kMemory;
}

double ExpertUse::distance(std::int64_t layer, std::int64_t expert) const {
    const float share = std::clamp(share_[static_cast<std::size_t>(layer * experts_ + expert)], kLeast, 1.0F);
    const std::int64_t ahead = layer > current_ ? layer - current_ : layer - current_ + layers_;
    return static_cast<double>(ahead) + static_cast<double>(layers_) * (1.0 / static_cast<double>(share) - 1.0);
}

}  // namespace step3::model
