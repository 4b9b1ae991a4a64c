#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// Cosines and sines of the positions of one step, shared by all layers and heads: angle = position * theta^(-2i/D),
/// all in float32 as the reference computes them (spec step3-model section 2.2).
class RopeTable {
public:
    RopeTable(double theta, std::int64_t headDim);

    /// Fills rows for these positions, [T, D/2] each; the memory is reused from call to call.
    void setPositions(ThreadPool& pool, std::span<const std::int64_t> positions);

    [[nodiscard]] const float* cosines(std::int64_t row) const { return cosines_.data() + row * half_; }
    [[nodiscard]] const float* sines(std::int64_t row) const { return sines_.data() + row * half_; }
    [[nodiscard]] std::int64_t half() const { return half_; }

private:
    std::int64_t half_;
    std::vector<float> inverseFrequency_;  // [D/2]
    std::vector<float> cosines_;           // [T, D/2]
    std::vector<float> sines_;
};

/// Rotates `heads` heads of every token in place.
struct RopeParams {
    float* x;  // [tokens, heads, D]
    std::int64_t tokens;
    std::int64_t heads;
    const RopeTable* table;
    std::int64_t firstRow;  // row of the table of token 0
};

void rope(const KernelTable& kernels, ThreadPool& pool, const RopeParams& params);
/// Plain loops in double, from the table's cosines and sines.
void ropeReference(const RopeParams& params);

}  // namespace step3::kernels
