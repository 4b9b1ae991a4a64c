#include "engine/attention/cpu_attention.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/error.h"
#include "kernels/cpu/work_split.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gemm/linear.h"
#include "kernels/moe/router.h"
#include "kernels/norm/rms_norm.h"

namespace step3::attention {
namespace {

class CpuSequence final : public afd::Sequence {
public:
    CpuSequence(const CpuAttention* owner, const std::shared_ptr<KvPool>& pool, std::span<const afd::BlockName> prefix)
        : owner_(owner), cache_(pool, prefix) {}
    [[nodiscard]] std::int64_t length() const override { return cache_.length(); }
    [[nodiscard]] std::uint64_t kvBytes() const override { return cache_.bytes(); }
    void truncate(std::int64_t length) override { cache_.truncate(length); }
    void nameBlocks(std::span<const afd::BlockName> names) override { cache_.setNames(names); }
    [[nodiscard]] const CpuAttention* owner() const { return owner_; }
    KvCache& cache() { return cache_; }

private:
    const CpuAttention* owner_;
    KvCache cache_;
};

/// Buffers only grow, so a decode step after a prefill allocates nothing.
template <typename T>
void fit(std::vector<T>& buffer, std::int64_t size) {
    if (buffer.size() < static_cast<std::size_t>(size)) buffer.resize(static_cast<std::size_t>(size));
}

template <typename T>
std::span<const T> firstOf(const std::vector<T>& buffer, std::int64_t size) {
    return {buffer.data(), std::min(buffer.size(), static_cast<std::size_t>(size))};
}

}  // namespace

CpuAttention::CpuAttention(std::shared_ptr<const model::Checkpoint> checkpoint, kernels::ThreadPool& pool,
                           const kernels::KernelTable& kernels, const KvOptions& kv)
    : checkpoint_(std::move(checkpoint)),
      pool_(pool),
      kernels_(kernels),
      config_(checkpoint_->config().text),
      kv_(std::make_shared<KvPool>(config_.numLayers, config_.headDim, kv)),
      guard_(checkpoint_, kernels_),
      rope_(config_.ropeTheta, config_.headDim) {
    if (config_.headDim % 2 != 0 || config_.headDim > kernels::kAttendMostDim) {
        throw Error(ErrorCode::kUnsupported, "config.json: head_dim: expected an even number up to " +
                                                 std::to_string(kernels::kAttendMostDim) + ", found " +
                                                 std::to_string(config_.headDim));
    }
    embedding_ = checkpoint_->matrix("model.embed_tokens.weight");
    head_ = checkpoint_->matrix("lm_head.weight");
    finalNorm_ = checkpoint_->floats("model.norm.weight");
    layers_.resize(static_cast<std::size_t>(config_.numLayers));
    for (std::size_t l = 0; l < layers_.size(); ++l) {
        const std::string prefix = "model.layers." + std::to_string(l) + ".";
        Layer& layer = layers_[l];
        layer.moe = config_.isMoeLayer[l];
        layer.inputNorm = checkpoint_->floats(prefix + "input_layernorm.weight");
        layer.innerNorm = checkpoint_->floats(prefix + "self_attn.inter_norm.weight");
        layer.postNorm = checkpoint_->floats(prefix + "post_attention_layernorm.weight");
        layer.qDown = checkpoint_->matrix(prefix + "self_attn.q_proj.weight");
        layer.k = checkpoint_->matrix(prefix + "self_attn.k_proj.weight");
        layer.v = checkpoint_->matrix(prefix + "self_attn.v_proj.weight");
        layer.qUp = checkpoint_->matrix(prefix + "self_attn.wq.weight");
        layer.out = checkpoint_->matrix(prefix + "self_attn.o_proj.weight");
        if (layer.moe) layer.router = checkpoint_->matrix(prefix + "moe.gate.weight");
    }
}

std::unique_ptr<afd::Sequence> CpuAttention::newSequence(std::span<const afd::BlockName> prefix) {
    return std::make_unique<CpuSequence>(this, kv_, prefix);
}

afd::KvUsage CpuAttention::kvUsage() const {
    return kv_->blocks()->usage();
}

bool CpuAttention::owns(const afd::Sequence& sequence) const {
    const auto* own = dynamic_cast<const CpuSequence*>(&sequence);
    return own != nullptr && own->owner() == this;
}

void CpuAttention::embed(std::span<const std::int32_t> ids, float* out) {
    kernels::embedRows(kernels_, pool_, {embedding_, ids, out});
}

void CpuAttention::beginStep(std::span<const StepTokens> entries) {
    const std::int64_t hidden = config_.hiddenSize;
    placed_.clear();
    positions_.clear();
    rows_ = 0;
    for (const StepTokens& entry : entries) {
        KvCache& cache = static_cast<CpuSequence&>(*entry.sequence).cache();
        const auto tokens = static_cast<std::int64_t>(entry.ids.size());
        cache.reserve(tokens);
        placed_.push_back({&cache, {rows_, rows_ + tokens}});
        for (std::int64_t t = 0; t < tokens; ++t) positions_.push_back(cache.length() + t);
        rows_ += tokens;
    }
    fit(residual_, rows_ * hidden);
    fit(normed_, rows_ * hidden);
    fit(projected_, rows_ * hidden);
    fit(qLow_, rows_ * config_.shareQDim);
    fit(queries_, rows_ * config_.numHeads * config_.headDim);
    fit(attended_, rows_ * config_.numHeads * config_.headDim);
    fit(keys_, rows_ * config_.headDim);
    fit(values_, rows_ * config_.headDim);
    fit(routerLogits_, rows_ * config_.numExperts);
    fit(expertIds_, rows_ * config_.topK);
    fit(expertWeights_, rows_ * config_.topK);
    rope_.setPositions(pool_, positions_);
    for (std::size_t e = 0; e < entries.size(); ++e) {
        float* out = residual_.data() + placed_[e].rows.begin * hidden;
        if (entries[e].embeddings.empty()) {
            embed(entries[e].ids, out);
        } else {
            std::copy(entries[e].embeddings.begin(), entries[e].embeddings.end(), out);
        }
    }
}

afd::FfnRequest CpuAttention::attend(std::int64_t layerIndex, afd::RowRange rows) {
    const Layer& layer = layers_[static_cast<std::size_t>(layerIndex)];
    const std::int64_t hidden = config_.hiddenSize;
    const std::int64_t width = config_.numHeads * config_.headDim;
    for (const kernels::WeightView* w : {&layer.qDown, &layer.k, &layer.v, &layer.qUp, &layer.out})
        guard_.use(pool_, *w, layerIndex);
    projectQueriesAndKeys(layer, rows);
    attendToCache(layerIndex, rows);
    float* projected = projected_.data() + rows.begin * hidden;
    kernels::linear(kernels_, pool_, linear_, attended_.data() + rows.begin * width, rows.size(), layer.out, nullptr,
                    projected);
    addToResidual(rows, projected);
    guard_.check(std::span(residual_).subspan(static_cast<std::size_t>(rows.begin * hidden),
                                              static_cast<std::size_t>(rows.size() * hidden)),
                 layerIndex);
    float* normed = normed_.data() + rows.begin * hidden;
    kernels::rmsNorm(kernels_, pool_,
                     {residual_.data() + rows.begin * hidden, layer.postNorm.data(), normed, rows.size(), hidden,
                      config_.rmsNormEps});
    afd::FfnRequest request{layerIndex, rows.size(), normed, nullptr, nullptr};
    if (layer.moe) {
        route(layer, rows);
        request.expertIds = expertIds_.data() + rows.begin * config_.topK;
        request.expertWeights = expertWeights_.data() + rows.begin * config_.topK;
    }
    return request;
}

/// Queries, keys and values of these rows, rotated (spec step3-model section 2.1).
void CpuAttention::projectQueriesAndKeys(const Layer& layer, afd::RowRange rows) {
    const std::int64_t hidden = config_.hiddenSize;
    const std::int64_t dim = config_.headDim;
    const std::int64_t low = config_.shareQDim;
    float* normed = normed_.data() + rows.begin * hidden;
    kernels::rmsNorm(kernels_, pool_,
                     {residual_.data() + rows.begin * hidden, layer.inputNorm.data(), normed, rows.size(), hidden,
                      config_.rmsNormEps});
    float* qLow = qLow_.data() + rows.begin * low;
    float* keys = keys_.data() + rows.begin * dim;
    float* values = values_.data() + rows.begin * dim;
    const std::array<kernels::LinearTask, 3> tasks{
        {{layer.qDown, nullptr, qLow}, {layer.k, nullptr, keys}, {layer.v, nullptr, values}}};
    kernels::linearMany(kernels_, pool_, linear_, normed, rows.size(), tasks);
    kernels::rmsNorm(kernels_, pool_, {qLow, layer.innerNorm.data(), qLow, rows.size(), low, config_.rmsNormEps});
    float* queries = queries_.data() + rows.begin * config_.numHeads * dim;
    kernels::linear(kernels_, pool_, linear_, qLow, rows.size(), layer.qUp, nullptr, queries);
    kernels::rope(kernels_, pool_, {queries, rows.size(), config_.numHeads, &rope_, rows.begin});
    kernels::rope(kernels_, pool_, {keys, rows.size(), 1, &rope_, rows.begin});
}

/// Stores keys and values, then attends; a sequence may lie in these rows only in part.
void CpuAttention::attendToCache(std::int64_t layerIndex, afd::RowRange rows) {
    const std::int64_t dim = config_.headDim;
    const std::int64_t width = config_.numHeads * dim;
    mfaSequences_.clear();
    for (const Placed& placed : placed_) {
        const std::int64_t begin = std::max(placed.rows.begin, rows.begin);
        const std::int64_t end = std::min(placed.rows.end, rows.end);
        if (begin >= end) continue;
        for (std::int64_t row = begin; row < end; ++row) {
            placed.cache->write(kernels_, layerIndex, positions_[static_cast<std::size_t>(row)],
                                keys_.data() + row * dim, values_.data() + row * dim);
        }
        kernels::MfaSequence sequence;
        sequence.q = queries_.data() + begin * width;
        sequence.out = attended_.data() + begin * width;
        sequence.pages = placed.cache->pages();
        sequence.kOffset = layerIndex * 2 * kv_->sideBytes();
        sequence.vOffset = sequence.kOffset + kv_->sideBytes();
        sequence.tokens = end - begin;
        sequence.firstPosition = positions_[static_cast<std::size_t>(begin)];
        mfaSequences_.push_back(sequence);
    }
    kernels::mfaAttention(kernels_, pool_, mfa_, {mfaSequences_, config_.numHeads, dim, kKvPageTokens, kv_->format()});
}

void CpuAttention::route(const Layer& layer, afd::RowRange rows) {
    float* logits = routerLogits_.data() + rows.begin * config_.numExperts;
    kernels::linear(kernels_, pool_, linear_, normed_.data() + rows.begin * config_.hiddenSize, rows.size(),
                    layer.router, nullptr, logits);
    kernels::routeTopK(pool_, {logits, expertIds_.data() + rows.begin * config_.topK,
                               expertWeights_.data() + rows.begin * config_.topK, rows.size(), config_.numExperts,
                               config_.topK, config_.normExpertWeight});
}

void CpuAttention::addToResidual(afd::RowRange rows, const float* values) {
    const std::int64_t hidden = config_.hiddenSize;
    float* residual = residual_.data() + rows.begin * hidden;
    const std::int64_t grain = kernels::pieceUnits(rows.size(), hidden, pool_.threads());
    pool_.parallelFor(rows.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        kernels_.addScaled(residual + begin * hidden, values + begin * hidden, 1.0F, (end - begin) * hidden);
    });
}

void CpuAttention::addFfn(afd::RowRange rows, const float* ffn) {
    addToResidual(rows, ffn);
}

void CpuAttention::logits(std::span<const std::int64_t> rows, float* out) {
    const std::int64_t hidden = config_.hiddenSize;
    logitRows_ = static_cast<std::int64_t>(rows.size());
    fit(headRows_, logitRows_ * hidden);
    float* next = headRows_.data();
    for (const std::int64_t row : rows) {
        kernels_.rmsNorm(residual_.data() + row * hidden, finalNorm_.data(), hidden, config_.rmsNormEps, next);
        next += hidden;
    }
    kernels::linear(kernels_, pool_, linear_, headRows_.data(), logitRows_, head_, nullptr, out);
    guard_.check({out, static_cast<std::size_t>(logitRows_ * config_.vocabSize)}, model::FiniteGuard::kHead);
}

void CpuAttention::endStep() {
    for (const Placed& placed : placed_) placed.cache->commit(placed.rows.size());
    placed_.clear();
}

std::span<const float> CpuAttention::residual() const {
    return firstOf(residual_, rows_ * config_.hiddenSize);
}
std::span<const float> CpuAttention::routerLogits() const {
    return firstOf(routerLogits_, rows_ * config_.numExperts);
}
std::span<const std::int32_t> CpuAttention::expertIds() const {
    return firstOf(expertIds_, rows_ * config_.topK);
}
std::span<const float> CpuAttention::expertWeights() const {
    return firstOf(expertWeights_, rows_ * config_.topK);
}
std::span<const float> CpuAttention::finalNorm() const {
    return firstOf(headRows_, logitRows_ * config_.hiddenSize);
}

}  // namespace step3::attention
