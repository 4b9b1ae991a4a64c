#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// Below this many multiply-adds (some microseconds) a loop over rows is not worth waking another thread for.
inline constexpr std::int64_t kInlineWork = 32 * 1024;

inline constexpr std::int64_t kLeastPiece = 16 * 1024;

/// Units of `unitWork` multiply-adds each that make one piece of a parallel loop over `units`: everything for small
/// loops, else about eight pieces a thread, so that a preempted thread holds up little, but none below kLeastPiece.
inline std::int64_t pieceUnits(std::int64_t units, std::int64_t unitWork, int threads) {
    const std::int64_t total = units * unitWork;
    if (threads <= 1 || total <= kInlineWork) return units;
    const std::int64_t piece = std::max(kLeastPiece, total / (static_cast<std::int64_t>(threads) * 8));
    return std::max<std::int64_t>(1, piece / std::max<std::int64_t>(1, unitWork));
}

/// The same for a product of `work` multiply-adds in all.
inline std::int64_t productPieceUnits(const ThreadPool& pool, std::int64_t units, std::int64_t work) {
    return pool.runsInline(work) ? units : pieceUnits(units, (work + units - 1) / units, pool.threads());
}

}  // namespace step3::kernels
