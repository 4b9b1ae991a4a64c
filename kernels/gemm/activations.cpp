#include "kernels/gemm/activations.h"

#include "kernels/cpu/work_split.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels {

char* ActivationBuffer::fit(std::int64_t bytes) {
    constexpr std::uintptr_t kLine = 64;
    const auto size = static_cast<std::size_t>(bytes) + kLine;
    if (storage_.size() < size) storage_.resize(size);
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    return storage_.data() + ((kLine - address % kLine) % kLine);
}

void PreparedRows::set(const KernelTable& kernels, ThreadPool& pool, const WeightView& w, const float* x,
                       std::int64_t m) {
    rows.resize(static_cast<std::size_t>(m));
    const std::int64_t bytes = w.layout == Layout::kRows ? 0 : preparedBytes(w.dtype, w.k);
    if (bytes == 0) {
        for (std::int64_t t = 0; t < m; ++t) rows[static_cast<std::size_t>(t)] = x + t * w.k;
        return;
    }
    char* to = buffer.fit(m * bytes);
    for (std::int64_t t = 0; t < m; ++t) rows[static_cast<std::size_t>(t)] = to + t * bytes;
    pool.parallelFor(m, pieceUnits(m, 2 * w.k, pool.threads()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) kernels.prepareRow(w.dtype, x + t * w.k, w.k, to + t * bytes);
    });
}

void PreparedRowSets::prepare(const KernelTable& kernels, ThreadPool& pool, const WeightView& w, const float* x,
                              std::int64_t m) {
    const std::size_t i = indexOf(w);
    if (made_[i]) return;
    sets_[i].set(kernels, pool, w, x, m);
    made_[i] = true;
}

}  // namespace step3::kernels
