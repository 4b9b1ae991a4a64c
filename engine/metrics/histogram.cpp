#include "engine/metrics/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace step3::metrics {

namespace {

const std::vector<double> kInterToken{.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                      .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
const std::vector<double> kFirstToken{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                      1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
const std::vector<double> kLatency{.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                   30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> kIteration{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
const std::vector<double> kChoices{1, 2, 5, 10, 20};
const std::vector<double> kPreemptions{1, 2, 3, 4, 5, 10, 20};

/// 1, 2, 5, 10, ... from 10^first on, up to `most`.
std::vector<double> oneTwoFive(int first, double most) {
    std::vector<double> bounds;
    for (int exponent = first;; ++exponent) {
        for (const int digit : {1, 2, 5}) {
            // A division gives the double that the decimal text means, a product with 1e-5 does not.
            const double power = std::pow(10.0, std::abs(exponent));
            const double bound = exponent < 0 ? digit / power : digit * power;
            if (bound > most) return bounds;
            bounds.push_back(bound);
        }
    }
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double value, std::uint64_t times) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    counts_[static_cast<std::size_t>(bucket)] += times;
    sum_ += value * static_cast<double>(times);
}

std::uint64_t Histogram::count() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

Histograms::Histograms(std::int64_t maxContext)
    : timeToFirstToken(kFirstToken),
      interToken(kInterToken),
      timePerToken(kInterToken),
      endToEnd(kLatency),
      queue(kLatency),
      inference(kLatency),
      prefill(kLatency),
      decode(kLatency),
      visionEncode(oneTwoFive(-3, 100)),
      choices(kChoices),
      preemptions(kPreemptions),
      iterationTokens(kIteration) {
    const Histogram stage(oneTwoFive(-5, 1));
    for (Histogram* both : {attentionStage, lmHeadStage, samplingStage, ffnStage}) both[0] = both[1] = stage;
    visionStage = stage;
    const Histogram tokens(oneTwoFive(0, static_cast<double>(maxContext)));
    for (Histogram* each : {&promptTokens, &generationTokens, &maxTokens, &mostGenerated, &prefillComputed})
        *each = tokens;
}

}  // namespace step3::metrics
