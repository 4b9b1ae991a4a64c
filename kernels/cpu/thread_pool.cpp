#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/cpu/cpu_quota.h"
#include "kernels/cpu/cpu_turns.h"
#include "kernels/cpu/numa.h"

namespace step3::kernels {
namespace {

/// How long a thread without work looks for more before it sleeps: longer than the pauses between the operators of one
/// step, short against a scheduler's time slice.
constexpr std::chrono::microseconds kSpin{40};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Spins until `done()` or the time is over; true if done.
template <typename Done>
bool spinUntil(Done done, std::chrono::microseconds limit) {
    if (done()) return true;
    if (limit.count() == 0) return false;
    const auto end = std::chrono::steady_clock::now() + limit;
    do {
        for (int i = 0; i < 32; ++i) {
            relax();
            if (done()) return true;
        }
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

CpuTurns::Duration wallTime() {
    return std::chrono::steady_clock::now().time_since_epoch();
}

/// CPU time of this thread; where it is not known all time counts as used, so that nobody rests.
CpuTurns::Duration cpuTime() {
#if defined(__linux__)
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
#else
    return wallTime();
#endif
}

}  // namespace

int usableCpus() {
    int cpus = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
    if (const auto allowed = allowedCpus(); !allowed.empty()) cpus = static_cast<int>(allowed.size());
    if (const auto quota = cgroupCpuLimit("/proc/self/cgroup", "/sys/fs/cgroup")) cpus = std::min(cpus, *quota);
#endif
    return std::max(1, cpus);
}

/// One loop at a time. `state` holds the loop's number in the upper and its unclaimed pieces in the lower 32 bits; a
/// piece is claimed by decrementing it with compare-and-swap, so a thread that woke up late can neither claim a piece
/// of a loop that is over nor mix up two loops, and the caller waits only for threads that hold a piece, never for
/// sleeping ones. The loop's description is written only while nothing is unclaimed or running.
struct ThreadPool::Impl {
    std::vector<std::thread> workers;
    std::chrono::microseconds spin{0};

    std::mutex callers;  // serves calls from several threads one after another
    std::uint32_t loops = 0;

    alignas(64) std::atomic<std::uint64_t> state{0};
    std::atomic<const std::function<void(std::int64_t, std::int64_t)>*> body{nullptr};
    std::atomic<std::int64_t> count{0};
    std::atomic<std::int64_t> grain{1};
    std::atomic<std::int64_t> pieces{0};

    alignas(64) std::atomic<std::int64_t> unfinished{0};

    alignas(64) std::atomic<int> sleepers{0};
    std::atomic<bool> callerSleeps{false};
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::condition_variable wake;      // workers: there is work, or stop
    std::condition_variable finished;  // caller: nothing is unfinished

    [[nodiscard]] bool hasWork() const { return (state.load(std::memory_order_seq_cst) & 0xFFFFFFFFU) != 0; }
    [[nodiscard]] bool isFinished() const { return unfinished.load(std::memory_order_seq_cst) == 0; }

    /// Runs pieces of the current loop until none is unclaimed.
    void drain() {
        std::uint64_t seen = state.load(std::memory_order_acquire);
        while ((seen & 0xFFFFFFFFU) != 0) {
            const auto* call = body.load(std::memory_order_relaxed);
            const std::int64_t total = count.load(std::memory_order_relaxed);
            const std::int64_t step = grain.load(std::memory_order_relaxed);
            const std::int64_t all = pieces.load(std::memory_order_relaxed);
            if (!state.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire))
                continue;
            const std::int64_t begin = (all - static_cast<std::int64_t>(seen & 0xFFFFFFFFU)) * step;
            (*call)(begin, std::min(total, begin + step));
            if (unfinished.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
                callerSleeps.load(std::memory_order_seq_cst)) {
                const std::lock_guard lock(mutex);
                finished.notify_one();
            }
            seen = state.load(std::memory_order_acquire);
        }
    }

    void work() {
        CpuTurns turns;
        turns.begin(wallTime(), cpuTime());
        while (!stop.load(std::memory_order_relaxed)) {
            if (turns.isOver(wallTime())) {
                if (const auto rest = turns.end(wallTime(), cpuTime()); rest.count() > 0) {
                    std::this_thread::sleep_for(rest);
                }
                turns.begin(wallTime(), cpuTime());
            }
            if (!spinUntil([this] { return hasWork() || stop.load(std::memory_order_relaxed); }, spin)) {
                std::unique_lock lock(mutex);
                sleepers.fetch_add(1, std::memory_order_seq_cst);
                wake.wait(lock, [this] { return hasWork() || stop.load(std::memory_order_relaxed); });
                sleepers.fetch_sub(1, std::memory_order_seq_cst);
                turns.begin(wallTime(), cpuTime());
            }
            drain();
        }
    }

    void shutDown() {
        {
            const std::lock_guard lock(mutex);
            stop.store(true, std::memory_order_relaxed);
        }
        wake.notify_all();
        for (auto& worker : workers) worker.join();
    }
};

ThreadPool::ThreadPool(int threads, std::int64_t inlineProduct)
    : impl_(std::make_unique<Impl>()), inlineProduct_(inlineProduct) {
    const int cpus = usableCpus();
    const int total = threads > 0 ? threads : cpus;
    // Spinning helps only while every thread can have a CPU of its own.
    if (cpus > 1 && total <= cpus) impl_->spin = kSpin;
    try {
        for (int i = 1; i < total; ++i) impl_->workers.emplace_back([impl = impl_.get()] { impl->work(); });
    } catch (...) {
        impl_->shutDown();
        throw;
    }
}

ThreadPool::~ThreadPool() {
    impl_->shutDown();
}

int ThreadPool::threads() const {
    return static_cast<int>(impl_->workers.size()) + 1;
}

void ThreadPool::parallelFor(std::int64_t count, std::int64_t grain,
                             const std::function<void(std::int64_t, std::int64_t)>& body) {
    if (count <= 0) return;
    // The number of pieces must fit into the lower half of `state`.
    constexpr std::int64_t kMostPieces = 0x7FFFFFFF;
    grain = std::max({std::int64_t{1}, grain, (count - 1) / kMostPieces + 1});
    const std::int64_t pieces = (count - 1) / grain + 1;
    Impl& impl = *impl_;
    if (pieces == 1 || impl.workers.empty()) {
        for (std::int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain));
        return;
    }
    const std::lock_guard call(impl.callers);
    impl.body.store(&body, std::memory_order_relaxed);
    impl.count.store(count, std::memory_order_relaxed);
    impl.grain.store(grain, std::memory_order_relaxed);
    impl.pieces.store(pieces, std::memory_order_relaxed);
    impl.unfinished.store(pieces, std::memory_order_relaxed);
    const auto number = static_cast<std::uint64_t>(++impl.loops) << 32U;
    impl.state.store(number | static_cast<std::uint64_t>(pieces), std::memory_order_seq_cst);
    if (const int sleeping = impl.sleepers.load(std::memory_order_seq_cst); sleeping > 0) {
        const auto helpers = std::min<std::int64_t>(sleeping, pieces - 1);
        { const std::lock_guard lock(impl.mutex); }  // a worker between its last look and its sleep holds the mutex
        for (std::int64_t i = 0; i < helpers; ++i) impl.wake.notify_one();
    }
    impl.drain();
    if (!spinUntil([&impl] { return impl.isFinished(); }, impl.spin)) {
        std::unique_lock lock(impl.mutex);
        impl.callerSleeps.store(true, std::memory_order_seq_cst);
        impl.finished.wait(lock, [&impl] { return impl.isFinished(); });
        impl.callerSleeps.store(false, std::memory_order_relaxed);
    }
}

}  // namespace step3::kernels
