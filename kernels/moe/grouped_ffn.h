#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/gemm/activations.h"

namespace step3::kernels {

/// One gated MLP: down(silu(x gate^T) * (x up^T)).
struct FfnWeights {
    WeightView gate;  // [F, H]
    WeightView up;    // [F, H]
    WeightView down;  // [H, F]
};

/// The tokens one expert works on. The dense FFN and the shared expert are groups of all tokens.
struct FfnGroup {
    const FfnWeights* weights = nullptr;
    std::span<const std::int32_t> tokens;  // rows of x; empty: all of them, each with factor 1
    std::span<const float> factors;        // router weight of each of `tokens`
};

/// Buffers of a grouped FFN, kept between calls. Rows are (group, token) pairs, group after group.
struct FfnWorkspace {
    struct Place {
        std::int64_t rows;      // tokens of the group
        std::int64_t firstRow;  // number of its first row
        std::int64_t active;    // where its rows begin in `active`
    };
    std::vector<Place> places;  // [groups]
    PreparedRowSets x;          // all tokens, as the gate and up matrices read them
    std::vector<const void*> gateRows, upRows, downRows;
    std::vector<float> active;  // silu(gate) * up, [rows, F of the row's group]
    ActivationBuffer prepared;  // the same as the down matrices read it
};

/// out[t] = sum over groups of factor * MLP(x[t]) (spec step3-model section 2.3). Every token's sum runs over the
/// groups in the order given, whatever else is in the batch.
struct GroupedFfnParams {
    const float* x;                    // [T, H]
    std::span<const FfnGroup> groups;  // each with at least one row
    float* out;                        // [T, H]
    std::int64_t tokens;               // T
    std::int64_t hidden;               // H
    bool accumulate = false;           // add to what `out` holds: a call of further groups
};

void groupedFfn(const KernelTable& kernels, ThreadPool& pool, FfnWorkspace& workspace, const GroupedFfnParams& params);
/// Token by token, double accumulation.
void groupedFfnReference(const GroupedFfnParams& params);

}  // namespace step3::kernels
