#include "engine/metrics/windows.h"

#include <algorithm>
#include <cmath>

namespace step3::metrics {

namespace {

constexpr std::chrono::seconds kBusyWindow(1);

}  // namespace

TokenTimes tokenTimes(double seconds, std::vector<float> gaps) {
    TokenTimes times{seconds, gaps.size()};
    if (gaps.empty()) return times;
    auto sorted = gaps.begin();  // all before it are in their places, as far as the next quantile can tell
    const auto quantile = [&](double q) {
        const auto rank = static_cast<std::ptrdiff_t>(std::ceil(q * static_cast<double>(gaps.size())));
        const auto place = gaps.begin() + std::max<std::ptrdiff_t>(rank, 1) - 1;
        std::nth_element(sorted, place, gaps.end());
        sorted = place;
        return static_cast<double>(*place);
    };
    times.p50 = quantile(0.5);
    times.p90 = quantile(0.9);
    times.p99 = quantile(0.99);
    return times;
}

void RecentGaps::add(Clock::time_point when, double gap) {
    gaps_.push_back({when, static_cast<float>(gap)});
    constexpr double kLongest = kSeconds[std::size(kSeconds) - 1];
    while (gaps_.size() > kMost || secondsOf(when - gaps_.front().when) > kLongest) {
        if (gaps_.size() > kMost) lost_ = gaps_.front().when;
        gaps_.pop_front();
    }
}

double RecentGaps::covered(double seconds, Clock::time_point now) const {
    return lost_ ? std::min(seconds, secondsOf(now - *lost_)) : seconds;
}

std::size_t RecentGaps::count(double seconds, Clock::time_point now) const {
    const auto isOlder = [&](const Gap& gap) { return secondsOf(now - gap.when) > seconds; };
    return static_cast<std::size_t>(gaps_.end() - std::partition_point(gaps_.begin(), gaps_.end(), isOlder));
}

std::vector<float> RecentGaps::last(double seconds, Clock::time_point now) const {
    std::vector<float> result(count(seconds, now));
    std::transform(gaps_.rbegin(), gaps_.rbegin() + static_cast<std::ptrdiff_t>(result.size()), result.begin(),
                   [](const Gap& gap) { return gap.seconds; });
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
