#include "engine/metrics/windows.h"

#include <algorithm>
#include <cmath>

namespace step3::metrics {

namespace {

constexpr std::chrono::seconds kBusyWindow(1);

double secondsOf(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

TokenTimes tokenTimes(double seconds, std::vector<float> gaps) {
    TokenTimes times{seconds, gaps.size()};
    if (gaps.empty()) return times;
    std::sort(gaps.begin(), gaps.end());
    const auto quantile = [&](double q) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(gaps.size())));
        return static_cast<double>(gaps[std::max<std::size_t>(rank, 1) - 1]);
    };
    times.p50 = quantile(0.5);
    times.p90 = quantile(0.9);
    times.p99 = quantile(0.99);
    return times;
}

void RecentGaps::add(Clock::time_point when, double gap) {
    gaps_.push_back({when, static_cast<float>(gap)});
    constexpr double kLongest = kSeconds[std::size(kSeconds) - 1];
    while (gaps_.size() > kMost || secondsOf(when - gaps_.front().when) > kLongest) gaps_.pop_front();
}

std::vector<float> RecentGaps::last(double seconds, Clock::time_point now) const {
    std::vector<float> result;
    for (auto gap = gaps_.rbegin(); gap != gaps_.rend() && secondsOf(now - gap->when) <= seconds; ++gap) {
        result.push_back(gap->seconds);
    }
    return result;
}

void BusyWindow::add(Clock::time_point when, const RoleSeconds& total) {
    samples_.push_back({when, total});
    // One sample older than the window stays: the window is measured from it.
    while (samples_.size() > 1 && when - samples_[1].when > kBusyWindow) samples_.pop_front();
}

RoleSeconds BusyWindow::shares(Clock::time_point now) const {
    if (samples_.empty()) return {};
    const Clock::time_point begin = std::max(now - kBusyWindow, samples_.front().when);
    const double elapsed = secondsOf(now - begin);
    if (elapsed <= 0) return {};
    auto next = std::find_if(samples_.begin(), samples_.end(), [&](const Sample& one) { return one.when > begin; });
    if (next == samples_.end()) return {};
    RoleSeconds from = next->total;
    if (next != samples_.begin()) {  // the work between two samples is taken as even
        const Sample& before = *(next - 1);
        const double part = secondsOf(begin - before.when) / secondsOf(next->when - before.when);
        from.attention = std::lerp(before.total.attention, next->total.attention, part);
        from.ffn = std::lerp(before.total.ffn, next->total.ffn, part);
        from.link = std::lerp(before.total.link, next->total.link, part);
    }
    const RoleSeconds& to = samples_.back().total;
    const auto share = [&](double busy) { return std::clamp(busy / elapsed, 0.0, 1.0); };
    return {share(to.attention - from.attention), share(to.ffn - from.ffn), share(to.link - from.link)};
}

}  // namespace step3::metrics
