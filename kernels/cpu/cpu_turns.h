#pragma once

#include <chrono>

namespace step3::kernels {

/// When a worker thread should step aside for a busy neighbour on its CPU. A worker that the scheduler interrupts holds
/// its piece of work for as long as the neighbour then runs, and all other threads wait for it: together they get no
/// more done than one. So a worker that lost its CPU lately rests by itself while it holds nothing, as long as it ran
/// before: the neighbour gets the same share of the CPU, and the scheduler has no reason to interrupt the worker's
/// turns, which are shorter than its time slices.
class CpuTurns {
public:
    using Duration = std::chrono::nanoseconds;

    static constexpr Duration kTurn = std::chrono::microseconds(1000);  // slices of Linux: 1.4 to 2.8 ms
    /// Of a turn, to another thread; more than who reads the answers takes at a time.
    static constexpr Duration kLost = std::chrono::microseconds(1250);
    static constexpr Duration kMemory = std::chrono::milliseconds(200);

    /// A turn begins. `wall` and `cpu`: time by the clock, and CPU time this thread has used.
    void begin(Duration wall, Duration cpu) {
        wall_ = wall;
        cpu_ = cpu;
    }

    [[nodiscard]] bool isOver(Duration wall) const { return wall - wall_ >= kTurn; }

    /// The turn is over: how long to rest before the next begins, 0 while nobody else wants the CPU.
    Duration end(Duration wall, Duration cpu) {
        if ((wall - wall_) - (cpu - cpu_) > kLost) contendedUntil_ = wall + kMemory;
        return wall < contendedUntil_ ? kTurn : Duration::zero();
    }

private:
    Duration wall_{};
    Duration cpu_{};
    Duration contendedUntil_ = Duration::min();
};

}  // namespace step3::kernels
