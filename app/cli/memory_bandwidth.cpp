#include "app/cli/memory_bandwidth.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "engine/model/arena.h"

namespace step3::cli {

double readBandwidth(kernels::ThreadPool& pool, std::uint64_t bytes) {
    constexpr std::int64_t kPiece = 4 << 20;
    constexpr std::int64_t kWords = kPiece / 8;
    constexpr std::int64_t kPart = kWords / 4;  // four streams: one does not use all the bandwidth a core can have
    const auto pieces = static_cast<std::int64_t>(bytes) / kPiece;
    model::Arena memory(static_cast<std::uint64_t>(pieces * kPiece));
    auto* all = reinterpret_cast<std::uint64_t*>(memory.data());
    pool.parallelFor(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin * kWords; i < end * kWords; ++i) all[i] = static_cast<std::uint64_t>(i);
    });
    std::vector<std::uint64_t> sums(static_cast<std::size_t>(pieces));
    double best = 0;
    for (int round = 0; round < 3; ++round) {
        const auto start = std::chrono::steady_clock::now();
        pool.parallelFor(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t p = begin; p < end; ++p) {
                const std::uint64_t* words = all + p * kWords;
                std::uint64_t a = 0, b = 0, c = 0, d = 0;
                for (std::int64_t i = 0; i < kPart; ++i) {
                    a ^= words[i], b ^= words[i + kPart], c ^= words[i + 2 * kPart], d ^= words[i + 3 * kPart];
                }
                sums[static_cast<std::size_t>(p)] += a ^ b ^ c ^ d;
            }
        });
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        best = std::max(best, static_cast<double>(pieces * kPiece) / seconds / 1e9);
    }
    return std::count(sums.begin(), sums.end(), 1U) == pieces ? 0.0 : best;  // the sums are used, so they are computed
}

double processCpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace step3::cli
