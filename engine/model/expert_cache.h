#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/model/arena.h"
#include "engine/model/expert_reader.h"
#include "engine/model/expert_use.h"

namespace step3::model {

/// What an expert cache has done since it was made.
struct ExpertCacheStats {
    std::uint64_t places = 0;  // experts that fit
    std::uint64_t used = 0;    // of these, taken
    std::uint64_t hits = 0;    // picked experts that were in memory when their layer began, misses: that were not
    std::uint64_t misses = 0;
    std::uint64_t bytesRead = 0;  // from the files
    double waitSeconds = 0;       // computing had to wait for reading
};

/// Routed experts, packed, in a bounded part of memory; the others stay in the checkpoint's files. Threads of its own
/// read the experts of a layer as soon as they are asked for, in the order in which they are computed, while those
/// before are computed. What has to go is the expert that is expected to be picked again last (expert_use.h).
class ExpertCache {
public:
    /// At most `memory` bytes of experts, read by `threads` threads. Throws Error kInvalidArgument if not even one
    /// expert fits, and what ExpertReader and Arena throw.
    ExpertCache(std::shared_ptr<const Checkpoint> checkpoint, const WeightFormats& formats, std::uint64_t memory,
                int threads, const kernels::KernelTable& kernels);
    ~ExpertCache();
    ExpertCache(const ExpertCache&) = delete;
    ExpertCache& operator=(const ExpertCache&) = delete;

    /// The experts that a step computes in one layer, in this order. One visit at a time; others wait for its end.
    class Visit {
    public:
        Visit(ExpertCache& cache, std::int64_t layer, std::span<const std::int32_t> experts);
        ~Visit();
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

        /// How many of the experts from number `first` on are in memory; with `wait` at least one. They stay until
        /// done(). Throws Error kIo or kInvalidData naming file and tensor.
        std::size_t ready(std::size_t first, bool wait);
        /// Valid for experts that ready() counted.
        [[nodiscard]] const kernels::FfnWeights& weights(std::size_t number) const;
        /// The experts before number `end` are no longer needed.
        void done(std::size_t end);

    private:
        ExpertCache& cache_;
        std::unique_lock<std::mutex> alone_;
        std::int64_t moeLayer_;
        std::vector<std::int32_t> experts_;
        std::size_t begin_ = 0;  // first that is still needed
    };

    [[nodiscard]] ExpertCacheStats stats() const;
    /// Bytes of the memory for experts, whether all of it is used or not.
    [[nodiscard]] std::uint64_t memoryBytes() const { return arena_.size(); }

private:
    enum class State : std::uint8_t { kAbsent, kReading, kReady };
    struct Expert {
        State state = State::kAbsent;
        std::int64_t place = -1;      // in the arena, unless absent
        std::int64_t unread = 0;      // pieces
        std::int64_t turn = -1;       // number in the visit under way; -1: not part of it
        std::exception_ptr failure;   // of reading it
        kernels::FfnWeights weights;  // once it is ready
    };
    struct Piece {
        std::int64_t moeLayer, expert, piece;
    };

    Expert& at(std::int64_t moeLayer, std::int64_t expert);
    std::byte* memoryOf(const Expert& expert) const;
    // With mutex_ held:
    void readAhead(std::int64_t moeLayer, std::span<const std::int32_t> experts);
    bool beginReading(std::int64_t moeLayer, std::int64_t expert, bool needed);
    [[nodiscard]] std::int64_t freePlace(std::int64_t turn, bool needed) const;
    void work();

    ExpertReader reader_;
    std::int64_t bytesPerExpert_;
    std::vector<std::int64_t> holders_;  // [places] index in experts_; -1: free
    Arena arena_;
    std::vector<Expert> experts_;  // [MoE layers, E]
    ExpertUse use_;
    ExpertCacheStats stats_;

    std::mutex visitors_;
    mutable std::mutex mutex_;
    std::condition_variable asked_, arrived_;
    std::deque<Piece> pieces_;
    bool stop_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace step3::model
