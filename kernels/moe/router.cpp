#include "kernels/moe/router.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cpu/work_split.h"

namespace step3::kernels {
namespace {

/// softmax keeps the order of the logits, so the K largest logits are chosen and only their probabilities are computed.
/// Two different logits can still round to one probability; they count as different here, as in a sort by logit.
void routeToken(const float* logits, std::int32_t* ids, float* weights, const RouterParams& p) {
    float sum = 0;
    const float largest = *std::max_element(logits, logits + p.experts);
    for (std::int64_t e = 0; e < p.experts; ++e) sum += std::exp(logits[e] - largest);
    std::int64_t chosen = 0;
    for (std::int64_t e = 0; e < p.experts; ++e) {  // insertion into the list kept so far; K is small
        std::int64_t at = chosen;
        while (at > 0 && logits[e] > logits[ids[at - 1]]) --at;
        if (at == p.topK) continue;
        chosen = std::min(chosen + 1, p.topK);
        for (std::int64_t i = chosen - 1; i > at; --i) ids[i] = ids[i - 1];
        ids[at] = static_cast<std::int32_t>(e);
    }
    float kept = 0;
    for (std::int64_t i = 0; i < p.topK; ++i) {
        weights[i] = std::exp(logits[ids[i]] - largest) / sum;
        kept += weights[i];
    }
    if (p.renormalise) {
        for (std::int64_t i = 0; i < p.topK; ++i) weights[i] /= kept;
    }
}

}  // namespace

void routeTopK(ThreadPool& pool, const RouterParams& p) {
    constexpr std::int64_t kExpWork = 32;  // about as long as this many multiply-adds
    const std::int64_t grain = pieceUnits(p.tokens, kExpWork * p.experts, pool.threads());
    pool.parallelFor(p.tokens, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) {
            routeToken(p.logits + t * p.experts, p.ids + t * p.topK, p.weights + t * p.topK, p);
        }
    });
}

void routeTopKReference(const RouterParams& p) {
    std::vector<double> probability(static_cast<std::size_t>(p.experts));
    std::vector<std::int32_t> order(probability.size());
    for (std::int64_t t = 0; t < p.tokens; ++t) {
        const float* logits = p.logits + t * p.experts;
        double sum = 0;
        const double largest = *std::max_element(logits, logits + p.experts);
        for (std::size_t e = 0; e < probability.size(); ++e) sum += probability[e] = std::exp(logits[e] - largest);
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
            return probability[static_cast<std::size_t>(a)] > probability[static_cast<std::size_t>(b)];
        });
        double kept = 0;
        for (std::int64_t i = 0; i < p.topK; ++i)
            kept += probability[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
        for (std::int64_t i = 0; i < p.topK; ++i) {
            const std::int32_t e = order[static_cast<std::size_t>(i)];
            p.ids[t * p.topK + i] = e;
            p.weights[t * p.topK + i] =
                static_cast<float>(probability[static_cast<std::size_t>(e)] / (p.renormalise ? kept : sum));
        }
    }
}

}  // namespace step3::kernels
