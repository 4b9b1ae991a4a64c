#pragma once

#include <algorithm>
#include <cstdint>

namespace step3::kernels {

/// Below this many multiply-adds (some microseconds) a loop is not worth waking another thread for.
inline constexpr std::int64_t kInlineWork = 32 * 1024;

/// Units of `unitWork` multiply-adds each that make one piece of a parallel loop over `units`: everything for small
/// loops, else about eight pieces a thread, so that a preempted thread holds up little, but none below kInlineWork / 2.
inline std::int64_t pieceUnits(std::int64_t units, std::int64_t unitWork, int threads) {
    const std::int64_t total = units * unitWork;
    if (threads <= 1 || total <= kInlineWork) return units;
    const std::int64_t piece = std::max(kInlineWork / 2, total / (static_cast<std::int64_t>(threads) * 8));
    return std::max<std::int64_t>(1, piece / std::max<std::int64_t>(1, unitWork));
}

/// Activation rows computed against a group of weight rows before the next group: as many as stay in the second-level
/// cache beside the weights, a multiple of every tile height.
inline std::int64_t rowBlock(std::int64_t k) {
    constexpr std::int64_t kMost = 96;
    const std::int64_t fitting = (256 * 1024) / (4 * std::max<std::int64_t>(1, k));
    return std::clamp<std::int64_t>(fitting / 12 * 12, 12, kMost);
}

inline constexpr std::int64_t kMostRowBlock = 96;

}  // namespace step3::kernels
