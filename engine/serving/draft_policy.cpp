#include "engine/serving/draft_policy.h"

#include <algorithm>

namespace step3::serving {

namespace {

constexpr float kFirstShare = 0.7F;         // before anything is known: worth a try
constexpr float kRequestWeight = 0.0625F;   // of the latest draft in a request's shares
constexpr float kUsualWeight = 1.0F / 256;  // of a request's shares in those usual for all, with every draft
constexpr float kRestDrift = 1.0F / 1024;   // of a request's shares towards those usual, with every step without draft
constexpr float kUsualDrift = 1.0F / 2048;  // of the usual ones towards the first, likewise
/// Of the latest step in a cost. Others who use the machine only ever make steps longer, so that a cost falls faster
/// than it rises.
constexpr double kFaster = 1.0 / 8;
constexpr double kSlower = 1.0 / 32;
constexpr double kLongest = 1.25;  // a step that took longer than so many times the usual counts as that
constexpr int kSamples = 3;        // of a cost before it counts; the least of them is taken
/// Costs of what is not done shrink a little with every step, so that it is done again some day: what takes 20 % too
/// long after some 700 steps. A cost that was not measured for kStale steps is then replaced by the new measurement.
constexpr double kAgeing = 1.0 - 1.0 / 4096;
constexpr int kStale = 64;
/// Less is not worth the risk; what drafting costs while prompts are read is not measured either.
constexpr double kGain = 1.1;
/// Of what each drafted token is known to cost, the part that one more is thought to cost before it was tried.
constexpr double kHope = 0.75;

}  // namespace

void Acceptance::verified(std::size_t drafted, std::size_t accepted) {
    for (std::size_t i = 0; i < std::min({drafted, accepted + 1, kPlaces}); ++i) {
        shares_[i] += ((i < accepted ? 1.0F : 0.0F) - shares_[i]) * kRequestWeight;
    }
}

void Acceptance::drift(const Acceptance& other, float weight) {
    for (std::size_t i = 0; i < kPlaces; ++i) shares_[i] += (other.shares_[i] - shares_[i]) * weight;
}

double Acceptance::tokens(std::size_t drafted) const {
    double sum = 1;
    double all = 1;  // probability that all tokens so far are right
    for (std::size_t i = 0; i < std::min(drafted, kPlaces); ++i) {
        all *= static_cast<double>(shares_[i]);
        sum += all;
    }
    return sum;
}

DraftPolicy::DraftPolicy(std::size_t maxTokens, bool always)
    : maxTokens_(std::min(maxTokens, kMostTokens)), always_(always), usual_(kFirstShare) {
    for (std::size_t i = 0; i < kMostRequests; ++i) costs_[i].resize((i + 1) * maxTokens_ + 1);
}

bool DraftPolicy::known(const Cost& cost) const {
    return cost.samples >= kSamples;
}

/// An unknown cost is guessed from those of fewer drafted tokens, rather too low, so that it becomes known.
double DraftPolicy::expected(const std::vector<Cost>& costs, std::size_t drafted) const {
    std::size_t nearest = drafted;
    while (nearest > 0 && !known(costs[nearest])) --nearest;
    if (nearest == drafted) return costs[drafted].seconds;
    const double plain = costs[0].seconds;
    if (nearest == 0) return plain;
    const double each = std::max(costs[nearest].seconds - plain, 0.0) / static_cast<double>(nearest);
    return std::max(costs[nearest].seconds, plain + kHope * each * static_cast<double>(drafted));
}

std::size_t DraftPolicy::choose(std::span<const Acceptance* const> requests) const {
    if (always_) return maxTokens_;
    if (requests.empty() || requests.size() > kMostRequests) return 0;
    const std::vector<Cost>& costs = costs_[requests.size() - 1];
    if (!known(costs[0])) return 0;
    std::size_t best = 0;
    double most = static_cast<double>(requests.size()) / costs[0].seconds * kGain;  // tokens a second
    for (std::size_t count = 1; count <= maxTokens_; ++count) {
        // One more than what is known at a time: a machine on which one is too many is not made to try four.
        if (count > 1 && !known(costs[(count - 1) * requests.size()])) break;
        double tokens = 0;
        for (const Acceptance* request : requests) tokens += request->tokens(count);
        const double speed = tokens / expected(costs, count * requests.size());
        if (speed <= most) continue;
        most = speed;
        best = count;
    }
    return best;
}

bool DraftPolicy::isLikely(std::size_t running) const {
    if (always_) return true;
    if (running == 0 || running > kMostRequests) return false;
    const std::vector<const Acceptance*> requests(running, &usual_);
    return !known(costs_[running - 1][0]) || choose(requests) > 0;
}

void DraftPolicy::measured(std::size_t requests, std::size_t drafted, double seconds) {
    if (requests == 0 || requests > kMostRequests || seconds <= 0) return;
    std::vector<Cost>& costs = costs_[requests - 1];
    if (drafted >= costs.size()) return;
    for (std::size_t d = 0; d < costs.size(); ++d) {
        if (d == drafted) continue;
        costs[d].seconds *= kAgeing;
        ++costs[d].steps;
    }
    Cost& cost = costs[drafted];
    if (!known(cost)) {
        cost.seconds = cost.samples == 0 ? seconds : std::min(cost.seconds, seconds);
    } else {
        const double counted = std::min(seconds, cost.seconds * kLongest);
        const double weight = cost.steps >= kStale ? 1.0 : counted < cost.seconds ? kFaster : kSlower;
        cost.seconds += (counted - cost.seconds) * weight;
    }
    ++cost.samples;
    cost.steps = 0;
}

void DraftPolicy::verified(Acceptance& request, std::size_t drafted, std::size_t accepted) {
    request.verified(drafted, accepted);
    usual_.drift(request, kUsualWeight);
}

void DraftPolicy::rested(Acceptance& request) {
    usual_.drift(Acceptance(kFirstShare), kUsualDrift);
    request.drift(usual_, kRestDrift);
}

}  // namespace step3::serving
