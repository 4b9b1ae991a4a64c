#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <unordered_set>

#include "engine/model/checkpoint.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::model {

/// Finds the tensor behind numbers that are not finite. Looking through all weights on opening would read a checkpoint
/// of hundreds of gigabytes for nothing; a weight that is NaN or infinite makes what is computed from it so, and then
/// the tensors of that layer alone are looked through. Only E4M3 codes, which the kernels do not tell from numbers, are
/// looked through when they are first used.
class FiniteGuard {
public:
    FiniteGuard(std::shared_ptr<const Checkpoint> checkpoint, const kernels::KernelTable& kernels)
        : checkpoint_(std::move(checkpoint)), kernels_(kernels) {}

    /// `values` are results of text layer `layer`; kHead: logits. Throws Error kInvalidData naming file and tensor if
    /// they are not finite and a weight they depend on is not: of the layer, and of what comes before the first layer
    /// or after the last. Values that became too large from sound weights pass.
    void check(std::span<const float> values, std::int64_t layer);

    /// To be called before a matrix of a layer is used. Throws likewise.
    void use(kernels::ThreadPool& pool, const kernels::WeightView& matrix, std::int64_t layer);

    static constexpr std::int64_t kHead = -1;

private:
    static bool concerns(const TensorSpec& spec, std::int64_t layer);
    void checkLayer(std::int64_t layer) const;

    std::shared_ptr<const Checkpoint> checkpoint_;
    const kernels::KernelTable& kernels_;
    std::set<std::int64_t> sound_;          // layers looked through without a finding
    std::unordered_set<const void*> used_;  // mapped E4M3 matrices without NaN
};

/// Throws Error kInvalidData naming file and tensor if a number of the stored tensor, or one of its scales, is not
/// finite.
void checkTensor(const Checkpoint& checkpoint, const TensorSpec& spec);

}  // namespace step3::model
