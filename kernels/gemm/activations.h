#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// Memory of prepared activation rows, aligned to a cache line; only grows.
class ActivationBuffer {
public:
    /// At least `bytes` bytes; what was there may be lost.
    char* fit(std::int64_t bytes);

private:
    std::vector<char> storage_;
};

/// Activation rows in the form that weights of one format and layout are multiplied with.
struct PreparedRows {
    std::vector<const void*> rows;  // [m]
    ActivationBuffer buffer;

    /// Points at rows of x [m, k] themselves where the weights read float32, else at copies made here.
    void set(const KernelTable& kernels, ThreadPool& pool, const WeightView& w, const float* x, std::int64_t m);
};

/// Rows prepared for several weight matrices: one set for each format among them.
class PreparedRowSets {
public:
    /// Forgets what was prepared for other activations.
    void clear() { made_.fill(false); }
    /// Prepares x [m, k] for `w` unless that has been done since clear().
    void prepare(const KernelTable& kernels, ThreadPool& pool, const WeightView& w, const float* x, std::int64_t m);
    /// [m] rows for `w`.
    [[nodiscard]] const void* const* of(const WeightView& w) const { return sets_[indexOf(w)].rows.data(); }

private:
    static constexpr std::size_t kSets = static_cast<std::size_t>(DType::kInt4Group) + 1;
    /// All row-major and BF16 weights read the float32 rows, E4M3 and CompactBF16 the same copies.
    static std::size_t indexOf(const WeightView& w) {
        if (w.layout == Layout::kRows) return static_cast<std::size_t>(DType::kBF16);
        return static_cast<std::size_t>(w.dtype == DType::kCompactBF16 ? DType::kE4M3 : w.dtype);
    }
    std::array<PreparedRows, kSets> sets_;
    std::array<bool, kSets> made_{};
};

}  // namespace step3::kernels
