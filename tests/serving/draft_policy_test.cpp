// How many tokens are drafted, on made-up times: no clock is read here.

#include "engine/serving/draft_policy.h"

#include <random>

#include <catch2/catch.hpp>

using namespace step3::serving;

namespace {

/// A machine on which a step of `requests` with d drafted tokens takes plain * (1 + perToken * d), and a text of which
/// every drafted token is right with the probability `share`.
struct World {
    double plain = 1e-3;
    double perToken = 0.1;
    double share = 0.8;
    double noise = 0.05;
};

struct Outcome {
    double tokens = 0, seconds = 0;
    std::size_t drafted = 0;
};

/// `steps` steps with the policy's choices.
Outcome play(DraftPolicy& policy, std::vector<Acceptance>& requests, const World& world, int steps,
             std::mt19937& random) {
    const auto uniform = [&] { return static_cast<double>(random()) / 4294967296.0; };
    Outcome outcome;
    for (int i = 0; i < steps; ++i) {
        std::vector<const Acceptance*> all;
        for (const Acceptance& request : requests) all.push_back(&request);
        const std::size_t count = policy.choose(all);
        for (Acceptance& request : requests) {
            std::size_t right = 0;
            while (right < count && uniform() < world.share) ++right;
            if (count > 0) policy.verified(request, count, right);
            if (count == 0) policy.rested(request);
            outcome.tokens += static_cast<double>(1 + right);
        }
        const std::size_t drafted = count * requests.size();
        const double seconds =
            world.plain * (1 + world.perToken * static_cast<double>(drafted)) * (1 + world.noise * (2 * uniform() - 1));
        policy.measured(requests.size(), drafted, seconds);
        outcome.seconds += seconds;
        outcome.drafted += drafted;
    }
    return outcome;
}

double speedAgainstPlain(const World& world, std::size_t requests, std::size_t maxTokens) {
    DraftPolicy policy(maxTokens, false);
    std::mt19937 random(7);
    std::vector<Acceptance> all(requests, policy.usual());
    play(policy, all, world, 200, random);  // learns
    const Outcome outcome = play(policy, all, world, 4000, random);
    return outcome.tokens / outcome.seconds * world.plain / static_cast<double>(requests);
}

}  // namespace

TEST_CASE("acceptance: the share of each place counts only drafts that came so far") {
    Acceptance acceptance(0.5F);
    CHECK(acceptance.tokens(0) == 1);
    CHECK(acceptance.tokens(2) == Approx(1.75));
    for (int i = 0; i < 200; ++i)
        acceptance.verified(3, 1);  // the first always right, the second never, the third unknown
    CHECK(acceptance.tokens(1) == Approx(2.0));
    CHECK(acceptance.tokens(2) == Approx(2.0));
    CHECK(acceptance.tokens(3) == Approx(2.0));
    for (int i = 0; i < 200; ++i) acceptance.verified(2, 2);
    CHECK(acceptance.tokens(3) == Approx(3.5));  // the third place is as at the start
    CHECK(acceptance.tokens(1000) <= 1 + Acceptance::kPlaces);
}

TEST_CASE("the policy drafts where it pays: within a few percent of the best count") {
    for (const std::size_t requests : {1, 2, 4}) {
        CAPTURE(requests);
        // Cheap checks and a text that is easy to guess: as many as allowed.
        const World easy{.perToken = 0.05 / static_cast<double>(requests), .share = 0.95};
        const double best = (1 + 0.95 + 0.9025 + 0.857375 + 0.81450625) / 1.2;
        CHECK(speedAgainstPlain(easy, requests, 4) > best * 0.93);
        // Some drafting pays, much of it does not.
        const World some{.perToken = 0.3 / static_cast<double>(requests), .share = 0.6};
        CHECK(speedAgainstPlain(some, requests, 8) > 1.6 / 1.3 * 0.93);
    }
}

TEST_CASE("the policy costs next to nothing where drafting does not pay") {
    for (const std::size_t requests : {1, 3}) {
        CAPTURE(requests);
        CHECK(speedAgainstPlain({.perToken = 1.0, .share = 0.7}, requests, 4) > 0.97);
        CHECK(speedAgainstPlain({.perToken = 0.2, .share = 0.05}, requests, 4) > 0.97);
    }
}

TEST_CASE("the policy follows a text that changes") {
    DraftPolicy policy(4, false);
    std::mt19937 random(11);
    std::vector<Acceptance> one(1, policy.usual());
    const World hard{.perToken = 0.1, .share = 0.02};
    const World easy{.perToken = 0.1, .share = 0.95};
    play(policy, one, hard, 1000, random);
    CHECK(play(policy, one, hard, 1000, random).drafted < 300);
    play(policy, one, easy, 1000, random);
    CHECK(play(policy, one, easy, 1000, random).drafted > 3500);
    play(policy, one, hard, 500, random);
    CHECK(play(policy, one, hard, 1000, random).drafted < 300);
}

TEST_CASE("with many requests in a step nothing is drafted, unless it always is") {
    const Acceptance sure(1.0F);
    const std::vector<const Acceptance*> many(DraftPolicy::kMostRequests + 1, &sure);
    DraftPolicy policy(4, false);
    for (int i = 0; i < 10; ++i) policy.measured(many.size(), 0, 1e-3);
    CHECK(policy.choose(many) == 0);
    CHECK(policy.choose(std::span(many).first(1)) == 0);  // a step with one request was not yet seen
    for (int i = 0; i < 10; ++i) policy.measured(1, 0, 1e-3);
    CHECK(policy.choose(std::span(many).first(1)) == 1);  // one token is tried first, then more
    for (std::size_t count = 1; count < 4; ++count) {
        for (int i = 0; i < 10; ++i) policy.measured(1, count, 1e-3);
        CHECK(policy.choose(std::span(many).first(1)) == count + 1);
    }
    CHECK(policy.choose({}) == 0);
    CHECK(DraftPolicy(3, true).choose(many) == 3);
}

TEST_CASE("a single disturbed step does not change the policy's mind") {
    DraftPolicy policy(2, false);
    std::mt19937 random(5);
    std::vector<Acceptance> one(1, policy.usual());
    const World world{.perToken = 0.05, .share = 0.9, .noise = 0};
    play(policy, one, world, 200, random);
    policy.measured(1, 2, 10.0);
    CHECK(play(policy, one, world, 100, random).drafted > 150);
}
