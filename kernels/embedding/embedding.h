#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// out[t] = row ids[t] of table[V, H], widened to float32; ids must lie in 0 .. V-1.
struct EmbeddingParams {
    WeightView table;                   // [V, H]
    std::span<const std::int32_t> ids;  // [T]
    float* out;                         // [T, H]
};

void embedRows(const KernelTable& kernels, ThreadPool& pool, const EmbeddingParams& params);
void embedRowsReference(const EmbeddingParams& params);

}  // namespace step3::kernels
