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
    /// `threads` 0: one for each CPU this process may use (affinity mask and cgroup quota). The caller is one of them.
    explicit ThreadPool(int threads = 0);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    [[nodiscard]] int threads() const;

    /// Calls body(begin, end) over [0, count) in pieces of at most `grain`, on all threads; returns when all is done.
    /// `body` must not throw and must not call parallelFor. Calls from several threads are served one after another.
    void parallelFor(std::int64_t count, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t)>& body);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// CPUs this process may use: affinity mask limited by the cgroup's quota, at least 1.
int usableCpus();

}  // namespace step3::kernels
