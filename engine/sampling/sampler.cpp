#include "engine/sampling/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "kernels/cpu/kernel_table.h"

namespace step3::sampling {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNegativeInfinity = -kInfinity;

/// No logit is NaN.
float highest(std::span<const float> logits) {
    constexpr std::size_t kLanes = 16;
    std::array<float, kLanes> lanes;
    lanes.fill(kNegativeInfinity);
    std::size_t i = 0;
    for (; i + kLanes <= logits.size(); i += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
        }
    }
    for (; i < logits.size(); ++i) lanes[0] = std::max(lanes[0], logits[i]);
    return *std::max_element(lanes.begin(), lanes.end());
}

std::uint64_t randomSeed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

std::vector<std::int32_t> distinctInRange(std::span<const std::int32_t> ids, std::int64_t vocabSize) {
    std::vector<std::int32_t> distinct(ids.begin(), ids.end());
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    std::erase_if(distinct, [&](std::int32_t id) { return id < 0 || id >= vocabSize; });
    return distinct;
}

/// The first `count` ids in order of falling logit, then rising id. Never ids whose logit is -infinity.
std::vector<std::int32_t> likeliest(std::span<const float> logits, std::vector<std::int32_t> ids, std::size_t count) {
    const auto before = [&](std::int32_t a, std::int32_t b) {
        const float la = logits[static_cast<std::size_t>(a)];
        const float lb = logits[static_cast<std::size_t>(b)];
        return la != lb ? la > lb : a < b;
    };
    count = std::min(count, ids.size());
    const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(count);
    if (count < ids.size()) std::nth_element(ids.begin(), middle, ids.end(), before);
    ids.resize(count);
    std::sort(ids.begin(), ids.end(), before);
    return ids;
}

}  // namespace

Sampler::Sampler(const SamplingParams& params, std::span<const std::int32_t> prompt, std::int64_t vocabSize)
    : params_(params), vocabSize_(vocabSize), random_(params.seed ? *params.seed : randomSeed()) {
    if (params_.repetitionPenalty != 1.0F) promptIds_ = distinctInRange(prompt, vocabSize);
    if (params_.allowedTokenIds.empty()) return;
    allowed_.emplace(vocabSize);
    for (const std::int32_t id : params_.allowedTokenIds) allowed_->allow(id);
}

void Sampler::applyPenalties(std::span<float> logits) const {
    const auto repeat = [&](std::int32_t id) {
        float& logit = logits[static_cast<std::size_t>(id)];
        if (logit == kNegativeInfinity) return;
        logit = logit > 0.0F ? logit / params_.repetitionPenalty : logit * params_.repetitionPenalty;
        logit = std::clamp(logit, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
    };
    if (params_.repetitionPenalty != 1.0F) {
        for (const std::int32_t id : promptIds_) repeat(id);
        for (const auto& [id, count] : outputCounts_) {
            if (!std::binary_search(promptIds_.begin(), promptIds_.end(), id)) repeat(id);
        }
    }
    if (params_.frequencyPenalty != 0.0F || params_.presencePenalty != 0.0F) {
        for (const auto& [id, count] : outputCounts_) {
            logits[static_cast<std::size_t>(id)] -=
                params_.frequencyPenalty * static_cast<float>(count) + params_.presencePenalty;
        }
    }
}

/// Without a filter the order of the tokens does not matter: sums of blocks lead to the block, whose tokens are gone
/// through.
std::int32_t Sampler::drawFromAll() {
    constexpr std::size_t kBlock = 256;
    const auto sum = [&](std::size_t begin) {
        constexpr std::size_t kLanes = 8;
        std::array<double, kLanes> lanes{};
        const std::size_t end = std::min(begin + kBlock, weights_.size());
        std::size_t i = begin;
        for (; i + kLanes <= end; i += kLanes) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(weights_[i + lane]);
        }
        for (; i < end; ++i) lanes[0] += static_cast<double>(weights_[i]);
        return std::accumulate(lanes.begin(), lanes.end(), 0.0);
    };
    std::vector<double> sums;
    sums.reserve(weights_.size() / kBlock + 1);
    for (std::size_t begin = 0; begin < weights_.size(); begin += kBlock) sums.push_back(sum(begin));
    double rest = uniform() * std::accumulate(sums.begin(), sums.end(), 0.0);
    std::size_t last = 0;  // with a weight: what rounding leaves over falls to it
    for (std::size_t block = 0; block < sums.size(); ++block) {
        if (rest >= sums[block] && block + 1 < sums.size()) {
            rest -= sums[block];
            continue;
        }
        for (std::size_t i = block * kBlock; i < weights_.size(); ++i) {
            if (weights_[i] <= 0.0F) continue;
            last = i;
            rest -= static_cast<double>(weights_[i]);
            if (rest < 0.0) return static_cast<std::int32_t>(i);
        }
        break;
    }
    while (weights_[last] <= 0.0F) last = last == 0 ? weights_.size() - 1 : last - 1;
    return static_cast<std::int32_t>(last);
}

std::int32_t Sampler::drawFromLikeliest(std::span<const float> logits) {
    std::vector<std::int32_t> ids;  // candidates
    ids.reserve(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (logits[i] != kNegativeInfinity) ids.push_back(static_cast<std::int32_t>(i));
    }
    const auto weight = [&](std::int32_t id) { return static_cast<double>(weights_[static_cast<std::size_t>(id)]); };
    const auto add = [&](double sum, std::int32_t id) { return sum + weight(id); };
    if (params_.topK > 0) ids = likeliest(logits, std::move(ids), static_cast<std::size_t>(params_.topK));
    if (params_.topP < 1.0F) {
        const double total = std::accumulate(ids.begin(), ids.end(), 0.0, add);
        // Nearly always a few hundred tokens hold the mass: sort a growing head instead of the whole vocabulary.
        for (std::size_t head = 256;; head *= 16) {
            std::vector<std::int32_t> sorted = likeliest(logits, ids, head);
            double sum = 0.0;
            std::size_t kept = 0;
            while (kept < sorted.size() && sum < static_cast<double>(params_.topP) * total)
                sum += weight(sorted[kept++]);
            if (kept < sorted.size() || sorted.size() == ids.size()) {
                sorted.resize(std::max<std::size_t>(kept, 1));
                ids = std::move(sorted);
                break;
            }
        }
    }
    if (params_.minP > 0.0F) {  // the likeliest candidate always stays: its weight is 1
        std::erase_if(ids, [&](std::int32_t id) { return weight(id) < static_cast<double>(params_.minP); });
    }
    double rest = uniform() * std::accumulate(ids.begin(), ids.end(), 0.0, add);
    for (const std::int32_t id : ids) {
        rest -= weight(id);
        if (rest < 0.0) return id;
    }
    return ids.back();
}

std::int32_t Sampler::draw(std::span<const float> logits, float top) {
    weights_.resize(logits.size());
    kernels::activeKernels().expScaled(logits.data(), vocabSize_, top, 1.0F / params_.temperature, weights_.data());
    const bool all = params_.topK <= 0 && params_.topP >= 1.0F && params_.minP <= 0.0F;
    return all ? drawFromAll() : drawFromLikeliest(logits);
}

std::int32_t Sampler::sample(std::span<float> logits, std::span<const std::int32_t> banned, const TokenMask* allowed) {
    if (logits.empty() || static_cast<std::int64_t>(logits.size()) != vocabSize_) {
        throw Error(ErrorCode::kInternal, "sampler: expected " + std::to_string(vocabSize_) + " logits, got " +
                                              std::to_string(logits.size()));
    }
    // Both passes go over all of the vocabulary for every token: no branch depends on a value.
    bool sound = true;
    for (const float logit : logits) sound = sound & (logit < kInfinity);
    for (std::size_t i = 0; !sound && i < logits.size(); ++i) {
        if (!(logits[i] < kInfinity)) {
            throw Error(ErrorCode::kInternal, "sampler: the logit of token " + std::to_string(i) + " is " +
                                                  (std::isnan(logits[i]) ? "not a number" : "infinite"));
        }
    }
    applyPenalties(logits);
    for (const auto& [id, bias] : params_.logitBias) logits[static_cast<std::size_t>(id)] += bias;
    for (const std::int32_t id : banned) {
        if (id >= 0 && id < vocabSize_) logits[static_cast<std::size_t>(id)] = kNegativeInfinity;
    }
    if (allowed_) allowed_->apply(logits);
    if (allowed != nullptr) allowed->apply(logits);
    const float top = highest(logits);
    if (top == kNegativeInfinity) {
        throw Error(ErrorCode::kInvalidArgument,
                    "expected a token that allowed_token_ids, bad_words, logit_bias, min_tokens and the form of the "
                    "answer leave, found every token banned");
    }
    const auto id = params_.temperature < kGreedyBelow
                        ? static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), top) - logits.begin())
                        : draw(logits, top);
    ++outputCounts_[id];
    return id;
}

}  // namespace step3::sampling
