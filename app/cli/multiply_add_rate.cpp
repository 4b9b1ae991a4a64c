#include "app/cli/multiply_add_rate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "kernels/cpu/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace step3::cli {

namespace {

constexpr std::int64_t kRounds = 200'000;  // of a piece of work; well under a second
constexpr int kChains = 12;                // independent accumulators: more than latency times throughput

/// kRounds times kChains multiply-adds of a vector; returns a value that depends on all of them.
using Burn = float (*)(float);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float burnAvx512(float seed) {
    __m512 sums[kChains];
    for (int c = 0; c < kChains; ++c) sums[c] = _mm512_set1_ps(seed + static_cast<float>(c));
    const __m512 factor = _mm512_set1_ps(0.5F);
    for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
        for (int c = 0; c < kChains; ++c) sums[c] = _mm512_fmadd_ps(sums[c], factor, factor);
    }
    float lanes[16];
    float total = 0;
    for (const __m512& sum : sums) {
        _mm512_storeu_ps(lanes, sum);
        total += lanes[0];
    }
    return total;
}

__attribute__((target("avx2,fma"))) float burnAvx2(float seed) {
    __m256 sums[kChains];
    for (int c = 0; c < kChains; ++c) sums[c] = _mm256_set1_ps(seed + static_cast<float>(c));
    const __m256 factor = _mm256_set1_ps(0.5F);
    for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
        for (int c = 0; c < kChains; ++c) sums[c] = _mm256_fmadd_ps(sums[c], factor, factor);
    }
    float lanes[8];
    float total = 0;
    for (const __m256& sum : sums) {
        _mm256_storeu_ps(lanes, sum);
        total += lanes[0];
    }
    return total;
}
#endif

/// Vectors of the compiler's base instruction set.
float burnPlain(float seed) {
    typedef float Vec __attribute__((vector_size(16)));
    Vec sums[kChains];
    for (int c = 0; c < kChains; ++c) sums[c] = Vec{} + (seed + static_cast<float>(c));
    for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
        for (int c = 0; c < kChains; ++c) sums[c] = sums[c] * 0.5F + 0.5F;
    }
    float total = 0;
    for (const Vec& sum : sums) total += sum[0];
    return total;
}

struct Probe {
    Burn burn;
    int lanes;
};

Probe chooseProbe() {
#if defined(__x86_64__)
    const kernels::Isa isa = kernels::activeIsa();
    if (isa == kernels::Isa::kAvx512 || isa == kernels::Isa::kAvx512Vnni) return {burnAvx512, 16};
    if (isa == kernels::Isa::kAvx2) return {burnAvx2, 8};
#endif
    return {burnPlain, 4};
}

}  // namespace

double multiplyAddRate(kernels::ThreadPool& pool) {
    const Probe probe = chooseProbe();
    const std::int64_t pieces = pool.threads() * 8;  // several a thread, so that a busy core holds up little
    std::atomic<float> kept{0};                      // so that the work is not left out
    double best = 0;
    for (int run = 0; run < 3; ++run) {
        const auto start = std::chrono::steady_clock::now();
        pool.parallelFor(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) kept = probe.burn(static_cast<float>(i));
        });
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const double operations = 2.0 * probe.lanes * kChains * static_cast<double>(kRounds * pieces);
        best = std::max(best, operations / 1e9 / seconds);
    }
    return best;
}

}  // namespace step3::cli
