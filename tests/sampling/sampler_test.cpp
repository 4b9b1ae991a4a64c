#include "engine/sampling/sampler.h"

#include <cmath>
#include <limits>
#include <map>

#include <catch2/catch.hpp>

#include "engine/error.h"

using step3::Error;
using step3::sampling::Sampler;
using step3::sampling::SamplingParams;

namespace {

using Ids = std::vector<std::int32_t>;

std::int32_t once(const SamplingParams& params, std::vector<float> logits, const Ids& prompt = {},
                  const Ids& banned = {}) {
    Sampler sampler(params, prompt, static_cast<std::int64_t>(logits.size()));
    return sampler.sample(logits, banned);
}

/// How often each token comes in `draws` draws from the same logits with the given seed; no penalties carry over.
std::map<std::int32_t, int> histogram(const SamplingParams& params, const std::vector<float>& logits, int draws) {
    Sampler sampler(params, {}, static_cast<std::int64_t>(logits.size()));
    std::map<std::int32_t, int> counts;
    for (int i = 0; i < draws; ++i) {
        std::vector<float> copy = logits;
        ++counts[sampler.sample(copy)];
    }
    return counts;
}

SamplingParams at(float temperature, std::uint64_t seed = 7) {
    SamplingParams params;
    params.temperature = temperature;
    params.seed = seed;
    return params;
}

std::vector<float> logsOf(const std::vector<double>& probabilities) {
    std::vector<float> logits;
    for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
    return logits;
}

}  // namespace

TEST_CASE("greedy takes the highest logit and, of equal ones, the lowest id") {
    CHECK(once({}, {1, 5, 3}) == 1);
    CHECK(once({}, {1, 5, 5}) == 1);
    CHECK(once(at(9e-6F), {1, 2, 5}) == 2);
}

TEST_CASE("frequencies follow the softmax at the temperature") {
    const std::vector<double> probabilities{0.5, 0.3, 0.15, 0.05};
    constexpr int kDraws = 40000;
    for (const float temperature : {1.0F, 0.5F, 2.0F}) {
        std::vector<double> expected;
        double sum = 0;
        for (const double p : probabilities) {
            expected.push_back(std::pow(p, 1.0 / temperature));
            sum += expected.back();
        }
        auto counts = histogram(at(temperature), logsOf(probabilities), kDraws);
        double chiSquare = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const double mean = kDraws * expected[i] / sum;
            const double difference = counts[static_cast<std::int32_t>(i)] - mean;
            chiSquare += difference * difference / mean;
        }
        INFO("temperature " << temperature);
        CHECK(chiSquare < 16.27);  // 3 degrees of freedom, p = 0.001; the seed is fixed, so this never flickers
    }
}

TEST_CASE("draws reach the whole of a large vocabulary, and nothing that is banned") {
    constexpr std::size_t kVocab = 1000, kStride = 37, kDraws = 6000;
    SamplingParams params = at(1.0F);
    params.seed = 11;
    Sampler sampler(params, {}, kVocab);
    std::vector<std::size_t> counts(kVocab);
    for (std::size_t i = 0; i < kDraws; ++i) {
        std::vector<float> logits(kVocab, -std::numeric_limits<float>::infinity());
        for (std::size_t id = 5; id < kVocab; id += kStride) logits[id] = 2.0F;
        ++counts[static_cast<std::size_t>(sampler.sample(logits))];
    }
    for (std::size_t id = 0; id < kVocab; ++id) {
        if (id % kStride != 5) {
            CHECK(counts[id] == 0);
        } else {
            CHECK(static_cast<double>(counts[id]) == Approx(222).margin(75));  // five times the deviation
        }
    }
}

TEST_CASE("the same seed draws the same tokens, another seed others") {
    const std::vector<float> logits(1000, 0.0F);
    const auto draw = [&](std::uint64_t seed) {
        Sampler sampler(at(1.0F, seed), {}, 1000);
        Ids ids;
        for (int i = 0; i < 8; ++i) {
            std::vector<float> copy = logits;
            ids.push_back(sampler.sample(copy));
        }
        return ids;
    };
    CHECK(draw(42) == draw(42));
    CHECK(draw(42) != draw(43));
    // mt19937_64(42) starts with 13930160852258120406, 11788048577503494824: fixed by the C++ standard.
    CHECK(draw(42)[0] == static_cast<std::int32_t>(13930160852258120406.0 / 18446744073709551616.0 * 1000));
    CHECK(draw(42)[1] == static_cast<std::int32_t>(11788048577503494824.0 / 18446744073709551616.0 * 1000));
}

TEST_CASE("without a seed two samplers differ") {
    SamplingParams params;
    params.temperature = 1.0F;
    const std::vector<float> logits(100000, 0.0F);
    const auto draw = [&] { return histogram(params, logits, 4); };
    CHECK(draw() != draw());
}

TEST_CASE("top-k keeps the k likeliest, ties by lower id") {
    SamplingParams params = at(2.0F);
    params.topK = 2;
    const auto counts = histogram(params, {1, 2, 2, 2, 0}, 2000);
    CHECK(counts.size() == 2);
    CHECK(counts.count(1) == 1);
    CHECK(counts.count(2) == 1);
    params.topK = 1;
    CHECK(histogram(params, {1, 2, 3}, 50).size() == 1);
    params.topK = -1;
    CHECK(histogram(params, {1, 2, 3}, 2000).size() == 3);
    params.topK = 1000;  // more than there are
    CHECK(histogram(params, {1, 2, 3}, 2000).size() == 3);
}

TEST_CASE("top-p keeps the smallest head that reaches the mass") {
    SamplingParams params = at(1.0F);
    const auto logits = logsOf({0.15, 0.5, 0.05, 0.3});
    params.topP = 0.75F;
    auto counts = histogram(params, logits, 4000);
    CHECK(counts.size() == 2);
    CHECK(counts[1] == Approx(4000 * 0.625).margin(150));  // 0.5 / 0.8
    params.topP = 0.85F;
    CHECK(histogram(params, logits, 4000).size() == 3);
    params.topP = 0.01F;  // at least one
    CHECK(histogram(params, logits, 100).size() == 1);
}

TEST_CASE("top-p over a flat large vocabulary grows past its first guess") {
    SamplingParams params = at(1.0F);
    params.topP = 0.5F;
    const auto counts = histogram(params, std::vector<float>(4000, 0.0F), 4000);
    CHECK(counts.size() > 1500);            // of 2000; the first guess is 256
    CHECK(counts.rbegin()->first <= 2000);  // ties go by id, so the head is the lower half
}

TEST_CASE("top-p works on what top-k left") {
    SamplingParams params = at(1.0F);
    params.topK = 2;      // 0.5 and 0.3 remain, renormalised 0.625 and 0.375
    params.topP = 0.60F;  // reached by the first alone
    CHECK(histogram(params, logsOf({0.5, 0.3, 0.15, 0.05}), 500).size() == 1);
}

TEST_CASE("min-p drops what is unlikely relative to the best") {
    SamplingParams params = at(1.0F);
    params.minP = 0.4F;  // 0.5 * 0.4 = 0.2
    const auto counts = histogram(params, logsOf({0.5, 0.3, 0.15, 0.05}), 2000);
    CHECK(counts.size() == 2);
    params.minP = 1.0F;
    CHECK(histogram(params, logsOf({0.5, 0.3, 0.15, 0.05}), 200).size() == 1);
}

TEST_CASE("the repetition penalty divides positive and multiplies negative logits of prompt and output, once") {
    SamplingParams params;
    params.repetitionPenalty = 2.0F;
    CHECK(once(params, {4, 3, 0}, {0}) == 1);        // 4 -> 2
    CHECK(once(params, {4, 3, 0}, {0, 0, 0}) == 1);  // not 4 -> 0.5: still once
    CHECK(once(params, {4, 1.9F, 0}, {0, 0, 0}) == 0);
    CHECK(once(params, {-1, -1.5F, -3}, {0}) == 1);  // -1 -> -2
    Sampler sampler(params, {}, 2);
    std::vector<float> first{3, 2};
    CHECK(sampler.sample(first) == 0);
    std::vector<float> second{3, 2};
    CHECK(sampler.sample(second) == 1);          // 3 -> 1.5, the token of the output
    CHECK(once(params, {4, 3}, {-5, 99}) == 0);  // ids outside the vocabulary have no logit
}

TEST_CASE("presence counts once, frequency every time, both over the output only") {
    SamplingParams params;
    params.presencePenalty = 1.5F;
    CHECK(once(params, {2, 1}, {0, 0}) == 0);  // the prompt does not count
    const auto sequence = [&](const SamplingParams& p, int n) {
        Sampler sampler(p, {}, 2);
        Ids ids;
        for (int i = 0; i < n; ++i) {
            std::vector<float> logits{2, 1};
            ids.push_back(sampler.sample(logits));
        }
        return ids;
    };
    CHECK(sequence(params, 3) == Ids{0, 1, 0});  // 2, then 0.5 < 1, then 0.5 > -0.5
    SamplingParams frequency;
    frequency.frequencyPenalty = 0.6F;
    CHECK(sequence(frequency, 4) == Ids{0, 0, 1, 0});  // 2; 1.4; 0.8 < 1; 0.8 > 0.4
    SamplingParams negative;
    negative.presencePenalty = -2.0F;
    negative.logitBias = {{1, 0.5F}};
    CHECK(sequence(negative, 2) == Ids{0, 0});
}

TEST_CASE("logit bias and banned tokens") {
    SamplingParams params;
    params.logitBias = {{2, 10.0F}};
    CHECK(once(params, {5, 4, 0}) == 2);
    CHECK(once(params, {5, 4, 0}, {}, {2}) == 0);  // a ban wins over a bias
    CHECK(once({}, {5, 4, 0}, {}, {0, -1, 77}) == 1);
    CHECK_THROWS_AS(once({}, {5, 4}, {}, {0, 1}), Error);
}

TEST_CASE("logits that are not numbers are an error, also where another token would win") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH(once({}, {1, nan, 9}), "sampler: the logit of token 1 is not a number");
    CHECK_THROWS_WITH(once(at(1.0F), {1, 2, infinity}), "sampler: the logit of token 2 is infinite");
    CHECK(once(at(1.0F), {-infinity, 1, -infinity}) == 1);
    CHECK_THROWS_WITH(once({}, {}), "sampler: expected 0 logits, got 0");
    Sampler sampler({}, {}, 4);
    std::vector<float> tooFew{1, 2};
    CHECK_THROWS_WITH(sampler.sample(tooFew), "sampler: expected 4 logits, got 2");
}

TEST_CASE("extreme settings stay finite") {
    SamplingParams params = at(1e-5F);
    CHECK(once(params, {1, 3, 2}) == 1);
    params = at(1.0F);
    params.repetitionPenalty = 1e-38F;
    CHECK(once(params, {3e38F, 1}, {0}) == 0);
    CHECK(once(params, {-3e38F, -1}, {0}) >= 0);
    CHECK(once(at(1.0F), {std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest()}) == 0);
}
