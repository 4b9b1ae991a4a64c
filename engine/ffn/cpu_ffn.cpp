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
      topK_(checkpoint_->config().text.topK),
      experts_(checkpoint_->config().text.numExperts),
      guard_(checkpoint_, kernels_),
      cache_(checkpoint_->expertCache()) {
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
        for (std::int64_t e = 0; cache_ == nullptr && e < experts_; ++e) {
            layer.experts.push_back(weightsOf(*checkpoint_, prefix + "moe.", e));
        }
    }
}

void CpuFfn::run(const afd::FfnRequest& request, float* out) {
    if (request.layer < 0 || request.layer >= static_cast<std::int64_t>(layers_.size())) {
        throw Error(ErrorCode::kInvalidData, "FFN request: layer: expected 0 to " + std::to_string(layers_.size() - 1) +
                                                 ", found " + std::to_string(request.layer));
    }
    const auto index = static_cast<std::size_t>(request.layer);
    const bool moe = checkpoint_->config().text.isMoeLayer[index];
    if (moe != (request.expertIds != nullptr)) {
        throw Error(ErrorCode::kInvalidData, "FFN request: layer " + std::to_string(request.layer) + ": expected " +
                                                 (moe ? "expert ids, found none" : "no expert ids, found some"));
    }
    const Layer& layer = layers_[index];
    groups_.assign(1, {&layer.all, {}, {}});
    if (moe) groupByExpert(request);
    kernels::GroupedFfnParams params{request.hidden, groups_, out, request.tokens, hidden_};
    if (moe && cache_ != nullptr) {
        runOffloaded(request, params);
    } else {
        for (std::size_t i = 0; moe && i < picked_.size(); ++i)
            groups_.push_back(groupOf(picked_[i], layer.experts[static_cast<std::size_t>(pickedIds_[i])]));
        params.groups = groups_;
        for (const kernels::FfnGroup& group : groups_) {
            for (const kernels::WeightView* w : {&group.weights->gate, &group.weights->up, &group.weights->down})
                guard_.use(pool_, *w, request.layer);
        }
        kernels::groupedFfn(kernels_, pool_, workspace_, params);
    }
    guard_.check({out, static_cast<std::size_t>(request.tokens * hidden_)}, request.layer);
}

kernels::FfnGroup CpuFfn::groupOf(const Picked& picked, const kernels::FfnWeights& weights) const {
    const std::size_t count = picked.end - picked.begin;
    return {&weights, std::span<const std::int32_t>(tokens_).subspan(picked.begin, count),
            std::span<const float>(factors_).subspan(picked.begin, count)};
}

/// Computes experts as they arrive from disk, in the same order as ever, so that sums are the same.
void CpuFfn::runOffloaded(const afd::FfnRequest& request, kernels::GroupedFfnParams& params) {
    model::ExpertCache::Visit visit(*cache_, request.layer, pickedIds_);
    std::size_t begin = 0;
    do {
        // The shared expert need not wait for any other.
        const std::size_t end = begin + visit.ready(begin, params.accumulate);
        for (std::size_t i = begin; i < end; ++i) groups_.push_back(groupOf(picked_[i], visit.weights(i)));
        params.groups = groups_;
        kernels::groupedFfn(kernels_, pool_, workspace_, params);
        visit.done(end);
        groups_.clear();
        params.accumulate = true;
        begin = end;
    } while (begin < picked_.size());
}

/// Sorts the (token, expert) pairs by expert, tokens in order within each.
void CpuFfn::groupByExpert(const afd::FfnRequest& request) {
    const auto experts = static_cast<std::size_t>(experts_);
    const std::int64_t pairs = request.tokens * topK_;
    starts_.assign(experts + 1, 0);
    for (std::int64_t i = 0; i < pairs; ++i) {
        const std::int32_t expert = request.expertIds[i];
        if (expert < 0 || expert >= experts_) {
            throw Error(ErrorCode::kInvalidData, "FFN request: expert id: expected 0 to " +
                                                     std::to_string(experts_ - 1) + ", found " +
                                                     std::to_string(expert));
        }
        ++starts_[static_cast<std::size_t>(expert) + 1];
    }
    for (std::size_t e = 0; e < experts; ++e) starts_[e + 1] += starts_[e];
    tokens_.resize(static_cast<std::size_t>(pairs));
    factors_.resize(static_cast<std::size_t>(pairs));
    for (std::int64_t i = 0; i < pairs; ++i) {
        // Each expert's start moves to its end, which is the next one's start.
        const std::size_t place = starts_[static_cast<std::size_t>(request.expertIds[i])]++;
        tokens_[place] = static_cast<std::int32_t>(i / topK_);
        factors_[place] = request.expertWeights[i];
    }
    pickedIds_.clear();
    picked_.clear();
    std::size_t begin = 0;
    for (std::size_t e = 0; e < experts; ++e) {
        if (starts_[e] > begin) {
            pickedIds_.push_back(static_cast<std::int32_t>(e));
            picked_.push_back({begin, starts_[e]});
        }
        begin = starts_[e];
    }
}

}  // namespace step3::ffn
