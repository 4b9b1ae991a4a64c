#include "engine/metrics/windows.h"

#include <catch2/catch.hpp>

using namespace step3::metrics;
using std::chrono::milliseconds;

TEST_CASE("times per token: exact quantiles, none of nothing") {
    CHECK(tokenTimes(10, {}).count == 0);
    const TokenTimes one = tokenTimes(10, {0.25F});
    CHECK(one.p50 == 0.25);
    CHECK(one.p99 == 0.25);
    std::vector<float> gaps;
    for (int i = 200; i > 0; --i) gaps.push_back(static_cast<float>(i));
    const TokenTimes times = tokenTimes(60, gaps);
    CHECK(times.seconds == 60);
    CHECK(times.count == 200);
    CHECK(times.p50 == 100);
    CHECK(times.p90 == 180);
    CHECK(times.p99 == 198);
}

TEST_CASE("recent gaps leave the windows as time goes on, and their number is bounded") {
    RecentGaps gaps;
    const Clock::time_point start{};
    for (int second = 0; second < 100; ++second) gaps.add(start + std::chrono::seconds(second), second);
    const auto now = start + std::chrono::seconds(99);
    CHECK(gaps.last(10, now) == std::vector<float>{99, 98, 97, 96, 95, 94, 93, 92, 91, 90, 89});
    CHECK(gaps.last(60, now).size() == 61);
    CHECK(gaps.last(1000, now).size() == 61);  // older ones are not kept
    CHECK(gaps.last(10, now + std::chrono::seconds(60)).empty());
    CHECK(gaps.covered(60, now) == 60);
    for (std::size_t i = 0; i < RecentGaps::kMost + 10; ++i) gaps.add(now, 1);
    CHECK(gaps.last(60, now).size() == RecentGaps::kMost);
    CHECK(gaps.covered(60, now + std::chrono::seconds(3)) == 3);
    CHECK(gaps.covered(10, now + std::chrono::seconds(70)) == 10);
}

TEST_CASE("busy shares cover the last second") {
    BusyWindow window;
    const Clock::time_point start{};
    const auto at = [&](int ms) { return start + milliseconds(ms); };
    CHECK(window.shares(at(0)).attention == 0);
    window.add(at(0), {0, 0, 0});
    window.add(at(400), {0.1, 0.2, 0.04});
    CHECK(window.shares(at(400)).attention == Approx(0.25));  // younger than a second
    CHECK(window.shares(at(400)).ffn == Approx(0.5));
    CHECK(window.shares(at(400)).link == Approx(0.1));
    CHECK(window.shares(at(1200)).ffn == Approx(0.1));  // half of the step lies in the last second
    CHECK(window.shares(at(5000)).ffn == 0);
    window.add(at(9000), {0.1, 0.2, 0.04});  // woken after a pause
    window.add(at(9500), {0.5, 0.2, 0.04});
    CHECK(window.shares(at(9500)).attention == Approx(0.4));
    window.add(at(20000), {50, 0.2, 0.04});  // never more than all of the time
    CHECK(window.shares(at(20000)).attention == 1);
}
