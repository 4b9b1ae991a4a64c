#pragma once

#include <cstdint>

#include "kernels/cpu/thread_pool.h"

namespace step3::cli {

/// GB/s that all threads of the pool together read from `bytes` of memory they have written, best of three; `bytes`
/// well above the size of the caches. What memory-bound work is measured against.
double readBandwidth(kernels::ThreadPool& pool, std::uint64_t bytes = 512ULL << 20);

/// CPU seconds of this process so far, all threads.
double processCpuSeconds();

}  // namespace step3::cli
