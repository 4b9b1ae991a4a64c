#include "engine/sampling/logprobs.h"

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

using step3::sampling::logprobs;

TEST_CASE("log-probabilities: the token first, then the likeliest in order") {
    const std::vector<float> logits{std::log(0.1F), std::log(0.6F), std::log(0.3F)};
    const auto result = logprobs(logits, 0, 2);
    REQUIRE(result.size() == 3);
    CHECK(result[0].id == 0);
    CHECK(result[0].logprob == Approx(std::log(0.1)));
    CHECK(result[1].id == 1);
    CHECK(result[1].logprob == Approx(std::log(0.6)));
    CHECK(result[2].id == 2);
    CHECK(result[0].rank == 3);
    CHECK(result[1].rank == 1);
    CHECK(result[2].rank == 2);
    CHECK(logprobs(std::vector<float>{1.0F, 1.0F, 0.0F}, 1, 0)[0].rank == 1);
    CHECK(logprobs(logits, 2, 0).size() == 1);
    CHECK(logprobs(logits, 2, 99).size() == 4);
}

TEST_CASE("log-probabilities do not overflow and have a floor") {
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> logits{1e30F, 1e30F, -infinity};
    const auto result = logprobs(logits, 2, 1);
    CHECK(result[0].logprob == -9999.0F);
    CHECK(result[1].logprob == Approx(-std::log(2.0)));
}
