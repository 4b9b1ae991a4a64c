#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace step3::metrics {

using Clock = std::chrono::steady_clock;

inline double secondsOf(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Time per output token over the last `seconds`: exact quantiles of the gaps between the tokens of each request.
struct TokenTimes {
    double seconds = 0;       // length of the window
    std::uint64_t count = 0;  // gaps in it; with 0 the quantiles mean nothing
    double p50 = 0, p90 = 0, p99 = 0;
    double covered = 0;  // seconds of the window that the gaps are of: less if there were more than are kept
};

/// The quantiles of `gaps`, in any order: the smallest gap that at least the share q of all does not exceed.
TokenTimes tokenTimes(double seconds, std::vector<float> gaps);

/// The raw gaps of the last minute, newest last; at most kMost, so that a fast engine has a shorter memory.
class RecentGaps {
public:
    static constexpr std::size_t kMost = 65536;
    static constexpr double kSeconds[] = {10, 60};  // the windows that are reported

    void add(Clock::time_point when, double gap);
    /// Of the last `seconds` before `now`, the time whose gaps are all here.
    [[nodiscard]] double covered(double seconds, Clock::time_point now) const;
    /// How many there were in the last `seconds` before `now`.
    [[nodiscard]] std::size_t count(double seconds, Clock::time_point now) const;
    /// The gaps of the last `seconds` before `now`, newest first.
    [[nodiscard]] std::vector<float> last(double seconds, Clock::time_point now) const;

private:
    struct Gap {
        Clock::time_point when;
        float seconds;
    };
    std::deque<Gap> gaps_;
    std::optional<Clock::time_point> lost_;  // of the newest that had to go before its time
};

/// Busy seconds of the roles since the start.
struct RoleSeconds {
    double attention = 0, ffn = 0, link = 0;
    double lmHead = 0;  // part of attention
};

/// How busy the roles have been in the last second, from samples taken before and after each step.
class BusyWindow {
public:
    void add(Clock::time_point when, const RoleSeconds& total);
    /// Shares of the second before `now`, 0 to 1.
    [[nodiscard]] RoleSeconds shares(Clock::time_point now) const;

private:
    struct Sample {
        Clock::time_point when;
        RoleSeconds total;
    };
    std::deque<Sample> samples_;
};

}  // namespace step3::metrics
