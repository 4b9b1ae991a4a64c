#include "engine/metrics/histogram.h"

#include <algorithm>

#include <catch2/catch.hpp>

using step3::metrics::Histogram;
using step3::metrics::Histograms;

TEST_CASE("histogram: a value on a bound belongs to the bucket below it") {
    Histogram histogram({1, 2.5});
    histogram.observe(1);
    histogram.observe(1.0001);
    histogram.observe(2.5, 3);
    histogram.observe(1000);
    histogram.observe(-1);
    CHECK(histogram.counts() == std::vector<std::uint64_t>{2, 4, 1});
    CHECK(histogram.count() == 7);
    CHECK(histogram.sum() == Approx(1 + 1.0001 + 7.5 + 1000 - 1));
    CHECK(Histogram().count() == 0);
}

TEST_CASE("histograms have vLLM's buckets") {
    const Histograms all(65536);
    CHECK(all.interToken.bounds().size() == 19);
    CHECK(all.interToken.bounds().front() == 0.01);
    CHECK(all.interToken.bounds().back() == 80);
    CHECK(all.timePerToken.bounds() == all.interToken.bounds());
    CHECK(all.timeToFirstToken.bounds().size() == 22);
    CHECK(all.endToEnd.bounds().size() == 21);
    CHECK(all.promptTokens.bounds().back() == 50000);  // 1-2-5 up to the context
    CHECK(all.promptTokens.bounds()[4] == 20);
    CHECK(all.iterationTokens.bounds().back() == 16384);
    CHECK(all.attentionStage[0].bounds().front() == 1e-5);
    CHECK(all.attentionStage[1].bounds()[2] == 5e-5);
    CHECK(all.ffnStage[1].bounds().back() == 1);
    for (const Histogram* each : {&all.timeToFirstToken, &all.visionEncode, &all.attentionStage[0]}) {
        CHECK(std::is_sorted(each->bounds().begin(), each->bounds().end()));
    }
}
