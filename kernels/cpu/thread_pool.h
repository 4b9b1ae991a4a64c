#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace step3::kernels {

/// Worker threads of the engine. Work is taken in dynamic chunks from a shared counter, so a preempted thread holds up
/// only its own chunk; waiting threads spin for some microseconds, then sleep (spec performance section 4.5). Beside a
/// busy neighbour the workers take turns with it (CpuTurns).
class ThreadPool {
public:
    /// Multiply-adds of a product with weights, or of attention, that one thread does rather than all of them. These
    /// are the loops that decide whether a step uses several threads: a step of a small model takes no longer on one,
    /// because handing over its many short loops costs what they save, and leaves the other CPUs to whoever reads the
    /// answer. The step of a larger batch, or model, is above it in almost every loop.
    static constexpr std::int64_t kInlineProduct = 1024 * 1024;

    /// `threads` 0: one for each CPU this process may use (affinity mask and cgroup quota). The caller is one of them.
    explicit ThreadPool(int threads = 0, std::int64_t inlineProduct = kInlineProduct);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    [[nodiscard]] int threads() const;

    /// True if a product of so many multiply-adds is for the caller alone.
    [[nodiscard]] bool runsInline(std::int64_t work) const { return threads() == 1 || work <= inlineProduct_; }

    /// Calls body(begin, end) over [0, count) in pieces of at most `grain`, on all threads; returns when all is done.
    /// `body` must not throw and must not call parallelFor. Calls from several threads are served one after another.
    void parallelFor(std::int64_t count, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t)>& body);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
    std::int64_t inlineProduct_;
};

/// CPUs this process may use: affinity mask limited by the cgroup's quota, at least 1.
int usableCpus();

}  // namespace step3::kernels
