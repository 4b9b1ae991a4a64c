#include "engine/ffn/cpu_ffn.h"

#include <string>
#include <utility>

#include "engine/error.h"

namespace step3::ffn {
namespace {

kernels::FfnWeights weightsOf(const model::Checkpoint& checkpoint, const std::string& prefix, std::int64_t expert = 0) {
    return {checkpoint.matrix(prefix + "gate_proj.weight", expert),
            checkpoint.matrix(prefix + "up_proj.weight", expert),
            checkpoint.matrix(prefix + "down_proj.weight", expert)};
}

}  // namespace

CpuFfn::CpuFfn(std::shared_ptr<const model::Checkpoint> checkpoint, kernels::ThreadPool& pool,
               const kernels::KernelTable& kernels)
    : checkpoint_(std::move(checkpoint)),
      pool_(pool),
      kernels_(kernels),
      hidden_(checkpoint_->config().text.hiddenSize),
      topK_(checkpoint_->config().text.topK) {
    const model::TextConfig& config = checkpoint_->config().text;
    layers_.resize(static_cast<std::size_t>(config.numLayers));
    for (std::size_t l = 0; l < layers_.size(); ++l) {
        const std::string prefix = "model.layers." + std::to_string(l) + ".";
        Layer& layer = layers_[l];
        if (!config.isMoeLayer[l]) {
            layer.all = weightsOf(*checkpoint_, prefix + "mlp.");
            continue;
        }
        layer.all = weightsOf(*checkpoint_, prefix + "share_expert.");
        for (std::int64_t e = 0; e < config.numExperts; ++e) {
            layer.experts.push_back(weightsOf(*checkpoint_, prefix + "moe.", e));
        }
    }
}

void CpuFfn::run(const afd::FfnRequest& request, float* out) {
    if (request.layer < 0 || request.layer >= static_cast<std::int64_t>(layers_.size())) {
        throw Error(ErrorCode::kInvalidData, "FFN request: layer: expected 0 to " + std::to_string(layers_.size() - 1) +
                                                 ", found " + std::to_string(request.layer));
    }
    const Layer& layer = layers_[static_cast<std::size_t>(request.layer)];
    if (layer.experts.empty() != (request.expertIds == nullptr)) {
        throw Error(ErrorCode::kInvalidData,
                    "FFN request: layer " + std::to_string(request.layer) + ": expected " +
                        (layer.experts.empty() ? "no expert ids, found some" : "expert ids, found none"));
    }
    groups_.clear();
    groups_.push_back({&layer.all, {}, {}});
    if (request.expertIds != nullptr) groupByExpert(request, layer);
    kernels::groupedFfn(kernels_, pool_, workspace_, {request.hidden, groups_, out, request.tokens, hidden_});
}

/// Sorts the (token, expert) pairs by expert, tokens in order within each.
void CpuFfn::groupByExpert(const afd::FfnRequest& request, const Layer& layer) {
    const auto experts = static_cast<std::int64_t>(layer.experts.size());
    const std::int64_t pairs = request.tokens * topK_;
    starts_.assign(layer.experts.size() + 1, 0);
    for (std::int64_t i = 0; i < pairs; ++i) {
        const std::int32_t expert = request.expertIds[i];
        if (expert < 0 || expert >= experts) {
            throw Error(ErrorCode::kInvalidData, "FFN request: expert id: expected 0 to " +
                                                     std::to_string(experts - 1) + ", found " + std::to_string(expert));
        }
        ++starts_[static_cast<std::size_t>(expert) + 1];
    }
    for (std::size_t e = 0; e < layer.experts.size(); ++e) starts_[e + 1] += starts_[e];
    tokens_.resize(static_cast<std::size_t>(pairs));
    factors_.resize(static_cast<std::size_t>(pairs));
    for (std::int64_t i = 0; i < pairs; ++i) {
        // Each expert's start moves to its end, which is the next one's start.
        const std::size_t place = starts_[static_cast<std::size_t>(request.expertIds[i])]++;
        tokens_[place] = static_cast<std::int32_t>(i / topK_);
        factors_[place] = request.expertWeights[i];
    }
    std::size_t begin = 0;
    for (std::size_t e = 0; e < layer.experts.size(); ++e) {
        const std::size_t count = starts_[e] - begin;
        if (count > 0) {
            groups_.push_back({&layer.experts[e], std::span<const std::int32_t>(tokens_).subspan(begin, count),
                               std::span<const float>(factors_).subspan(begin, count)});
        }
        begin = starts_[e];
    }
}

}  // namespace step3::ffn
