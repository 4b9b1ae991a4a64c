#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// Query tokens of one sequence; their K and V are in the pages already.
struct MfaSequence {
    const float* q = nullptr;                 // [tokens, N, D] after RoPE
    float* out = nullptr;                     // [tokens, N, D]
    std::span<const std::byte* const> pages;  // of pageTokens tokens each
    std::int64_t kOffset = 0;                 // bytes from a page's start to its keys, [pageTokens] rows, after RoPE
    std::int64_t vOffset = 0;                 // and to its values, [pageTokens] rows
    std::int64_t tokens = 0;
    std::int64_t firstPosition = 0;  // position of token 0; token t sees keys 0 .. firstPosition + t
};

/// Causal attention of N query heads over one shared K and one shared V head (spec step3-model section 2.1), several
/// sequences of different lengths at once, prefill and decode alike.
struct MfaParams {
    std::span<const MfaSequence> sequences;
    std::int64_t heads;       // N
    std::int64_t headDim;     // D, at most kAttendMostDim
    std::int64_t pageTokens;  // at most kAttendMostKeys
    KvFormat format;          // of K and V
};

/// Buffers kept between calls.
struct MfaWorkspace {
    std::vector<float> out;   // partial results of key ranges computed by different threads, [pieces, rows, D]
    std::vector<float> sums;  // [pieces, rows] maxima, then sums
};

/// Keys are taken in fixed ranges of kMfaRangeKeys, each with its own online softmax, and the ranges are merged in
/// order: the result depends neither on the number of threads nor on how tokens are cut into steps.
inline constexpr std::int64_t kMfaRangeKeys = 1024;

void mfaAttention(const KernelTable& kernels, ThreadPool& pool, MfaWorkspace& workspace, const MfaParams& params);
/// Softmax over all scores of a row at once, in double.
void mfaAttentionReference(const MfaParams& params);

}  // namespace step3::kernels
