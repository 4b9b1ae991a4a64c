#include "engine/model/expert_cache.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "engine/error.h"

namespace step3::model {

namespace {

std::int64_t placesIn(std::uint64_t memory, const ExpertLayout& layout) {
    const auto all = static_cast<std::int64_t>(layout.layers.size()) * layout.experts;
    const auto fitting = static_cast<std::int64_t>(memory / static_cast<std::uint64_t>(layout.bytes));
    if (fitting < 1)
        throw Error(ErrorCode::kInvalidArgument, "expert memory: expected at least " + std::to_string(layout.bytes) +
                                                     " bytes, one expert, found " + std::to_string(memory));
    return std::min(all, fitting);
}

}  // namespace

ExpertCache::ExpertCache(std::shared_ptr<const Checkpoint> checkpoint, const WeightFormats& formats,
                         std::uint64_t memory, int threads, const kernels::KernelTable& kernels)
    : reader_(checkpoint, formats, kernels),
      bytesPerExpert_(reader_.layout().bytes),
      holders_(static_cast<std::size_t>(placesIn(memory, reader_.layout())), -1),
      arena_(holders_.size() * static_cast<std::uint64_t>(bytesPerExpert_)),
      experts_(reader_.layout().layers.size() * static_cast<std::size_t>(reader_.layout().experts)),
      use_(static_cast<std::int64_t>(reader_.layout().layers.size()), reader_.layout().experts,
           static_cast<double>(checkpoint->config().text.topK) / static_cast<double>(reader_.layout().experts)) {
    stats_.places = holders_.size();
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

ExpertCache::~ExpertCache() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    asked_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

ExpertCache::Expert& ExpertCache::at(std::int64_t moeLayer, std::int64_t expert) {
    return experts_[static_cast<std::size_t>(moeLayer * reader_.layout().experts + expert)];
}

std::byte* ExpertCache::memoryOf(const Expert& expert) const {
    return arena_.data() + expert.place * bytesPerExpert_;
}

ExpertCacheStats ExpertCache::stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
}

/// A place for an expert of the visit under way whose turn is `turn`: a free one, else that of the expert that is
/// expected to be picked last. Experts of this visit give theirs up only if the visit cannot go on otherwise, and only
/// those whose turn comes later. -1: none now.
std::int64_t ExpertCache::freePlace(std::int64_t turn, bool needed) const {
    std::int64_t best = -1;
    double farthest = -1;
    const std::int64_t perLayer = reader_.layout().experts;
    for (std::size_t place = 0; place < holders_.size(); ++place) {
        const std::int64_t holder = holders_[place];
        if (holder < 0) return static_cast<std::int64_t>(place);
        const Expert& expert = experts_[static_cast<std::size_t>(holder)];
        if (expert.state != State::kReady) continue;
        double distance = 0;
        if (expert.turn < 0) {
            distance = use_.distance(holder / perLayer, holder % perLayer);
        } else if (needed && expert.turn > turn) {
            distance = static_cast<double>(expert.turn) / static_cast<double>(perLayer + 1);  // below every other
        } else {
            continue;
        }
        if (distance <= farthest) continue;
        farthest = distance;
        best = static_cast<std::int64_t>(place);
    }
    return best;
}

bool ExpertCache::beginReading(std::int64_t moeLayer, std::int64_t expert, bool needed) {
    Expert& wanted = at(moeLayer, expert);
    const std::int64_t place = freePlace(wanted.turn, needed);
    if (place < 0) return false;
    std::int64_t& holder = holders_[static_cast<std::size_t>(place)];
    if (holder >= 0) {
        experts_[static_cast<std::size_t>(holder)].state = State::kAbsent;
        experts_[static_cast<std::size_t>(holder)].place = -1;
    } else {
        ++stats_.used;
    }
    holder = moeLayer * reader_.layout().experts + expert;
    wanted.state = State::kReading;
    wanted.place = place;
    wanted.failure = nullptr;
    wanted.unread = reader_.pieces(moeLayer);
    for (std::int64_t piece = 0; piece < wanted.unread; ++piece) pieces_.push_back({moeLayer, expert, piece});
    asked_.notify_all();
    return true;
}

void ExpertCache::readAhead(std::int64_t moeLayer, std::span<const std::int32_t> experts) {
    for (const std::int32_t expert : experts) {
        const Expert& wanted = at(moeLayer, expert);
        if (wanted.state != State::kAbsent || wanted.failure != nullptr) continue;
        if (!beginReading(moeLayer, expert, false)) return;
    }
}

/// A reading thread.
void ExpertCache::work() {
    std::vector<std::byte> staging;
    std::unique_lock lock(mutex_);
    while (true) {
        asked_.wait(lock, [this] { return stop_ || !pieces_.empty(); });
        if (stop_) return;
        const Piece next = pieces_.front();
        pieces_.pop_front();
        Expert& expert = at(next.moeLayer, next.expert);
        std::byte* memory = memoryOf(expert);
        std::uint64_t bytes = 0;
        std::exception_ptr failure = expert.failure;
        if (failure == nullptr) {  // else the rest need not be read
            lock.unlock();
            try {
                bytes = reader_.read(next.moeLayer, next.expert, next.piece, memory, staging);
            } catch (...) {
                failure = std::current_exception();
            }
            lock.lock();
        }
        stats_.bytesRead += bytes;
        if (failure != nullptr) expert.failure = failure;
        if (--expert.unread > 0) continue;
        if (expert.failure == nullptr) {
            expert.state = State::kReady;
            expert.weights = reader_.layout().weights(next.moeLayer, memory);
        } else {
            holders_[static_cast<std::size_t>(expert.place)] = -1;
            expert.place = -1;
            expert.state = State::kAbsent;
            --stats_.used;
        }
        arrived_.notify_all();
    }
}

ExpertCache::Visit::Visit(ExpertCache& cache, std::int64_t layer, std::span<const std::int32_t> experts)
    : cache_(cache),
      alone_(cache.visitors_),
      moeLayer_(cache.reader_.layout().moeLayerOf[static_cast<std::size_t>(layer)]),
      experts_(experts.begin(), experts.end()) {
    const std::lock_guard lock(cache_.mutex_);
    cache_.use_.visit(moeLayer_, experts);
    for (std::size_t i = 0; i < experts_.size(); ++i) {
        Expert& expert = cache_.at(moeLayer_, experts_[i]);
        expert.turn = static_cast<std::int64_t>(i);
        if (expert.state == State::kAbsent) expert.failure = nullptr;  // of an earlier visit: tried again
        ++(expert.state == State::kReady ? cache_.stats_.hits : cache_.stats_.misses);
    }
    cache_.readAhead(moeLayer_, experts_);
}

ExpertCache::Visit::~Visit() {
    done(experts_.size());
}

std::size_t ExpertCache::Visit::ready(std::size_t first, bool wait) {
    std::unique_lock lock(cache_.mutex_);
    const auto isReady = [&](std::size_t i) { return cache_.at(moeLayer_, experts_[i]).state == State::kReady; };
    if (wait && first < experts_.size() && !isReady(first)) {
        const auto begin = std::chrono::steady_clock::now();
        Expert& expert = cache_.at(moeLayer_, experts_[first]);
        while (expert.state != State::kReady) {
            if (expert.state == State::kAbsent) {
                if (expert.failure != nullptr) std::rethrow_exception(std::exchange(expert.failure, nullptr));
                if (cache_.beginReading(moeLayer_, experts_[first], true)) continue;
            }
            cache_.arrived_.wait(lock);  // for it, or for a place
        }
        cache_.stats_.waitSeconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    std::size_t end = first;
    while (end < experts_.size() && isReady(end)) ++end;
    return end - first;
}

const kernels::FfnWeights& ExpertCache::Visit::weights(std::size_t number) const {
    return cache_.at(moeLayer_, experts_[number]).weights;
}

void ExpertCache::Visit::done(std::size_t end) {
    const std::lock_guard lock(cache_.mutex_);
    for (; begin_ < end; ++begin_) cache_.at(moeLayer_, experts_[begin_]).turn = -1;
    cache_.readAhead(moeLayer_, std::span(experts_).subspan(begin_));
}

}  // namespace step3::model
