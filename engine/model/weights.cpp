#include "engine/model/weights.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/model/arena.h"
#include "engine/model/expert_cache.h"
#include "engine/model/finite.h"
#include "engine/model/finite_guard.h"
#include "engine/model/load_plan.h"
#include "engine/model/memory.h"
#include "engine/model/packing.h"
#include "kernels/gemm/panels.h"

namespace step3::model {
namespace {

using kernels::DType;
using kernels::WeightView;

struct PackedTensor {
    PackedMatrix matrix;
    WeightView first;              // matrix 0
    std::vector<float> scales;     // E4M3, made here or copied from the file
    std::unique_ptr<Arena> arena;  // of weights that do not become compact; null: they lie in the common one
};

/// Threads that read experts: enough to keep a fast disk busy and to share the packing, few on a small machine.
int readingThreads(const kernels::ThreadPool& pool) {
    return std::clamp(pool.threads(), 2, 8);
}

/// True if E4M3 codes of these panels' rows are NaN: on opening, large checkpoints are not looked through for them.
bool hasNan(const WeightView& rows, std::int64_t firstPanel, std::int64_t lastPanel) {
    if (rows.dtype != DType::kE4M3) return false;
    const std::int64_t begin = firstPanel * kernels::kPanelColumns * rows.k;
    const std::int64_t end = std::min(rows.n, lastPanel * kernels::kPanelColumns) * rows.k;
    return hasNanCode({static_cast<const std::byte*>(rows.data) + begin, static_cast<std::size_t>(end - begin)});
}

class ReadCheckpoint final : public Checkpoint {
public:
    using Checkpoint::matrix;

    ReadCheckpoint(std::shared_ptr<const Checkpoint> mapped, const WeightFormats& formats, kernels::ThreadPool& pool,
                   const kernels::KernelTable& kernels, std::uint64_t expertMemory, const OpenProgressFn& progress,
                   const std::stop_token& stop)
        : mapped_(std::move(mapped)),
          arena_(expertMemory > 0 ? loadNeeds(*mapped_, formats).everyToken : packedBytes(*mapped_, formats)) {
        std::uint64_t total = 0;
        for (const TensorSpec& spec : mapped_->registry()) {
            const Tensor* tensor = mapped_->find(spec.name);
            if (tensor != nullptr && !(expertMemory > 0 && isRoutedExpert(spec))) total += tensor->byteSize;
        }
        if (expertMemory > 0) {
            experts_ = std::make_unique<ExpertCache>(mapped_, formats, expertMemory, readingThreads(pool), kernels);
        }
        const bool compacts = compactsWeights(*mapped_, formats);
        const bool large = total > availableMemory() / 4;
        std::uint64_t done = 0;
        std::byte* next = arena_.data();
        for (const TensorSpec& spec : mapped_->registry()) {
            const Tensor* tensor = mapped_->find(spec.name);
            if (tensor == nullptr || (experts_ && isRoutedExpert(spec))) continue;
            if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "opening the model was cancelled");
            if (const auto dtype = packedType(spec, *mapped_, formats)) {
                if (tensor->groupScales != nullptr)
                    checkGroupScales({tensor->groupScales, tensor->scaleBytes / 2},
                                     mapped_->place(spec.name + "_scale"));
                const bool compact = compacts && *dtype == DType::kBF16;
                if (compact && packCompact(spec, next, pool)) {
                    next += alignPacked(packed_.at(spec.name).matrix.bytes * matricesOf(spec));
                } else if (compact) {
                    packApart(spec, pool, kernels);
                } else {
                    next = pack(spec, *dtype, next, pool, kernels);
                }
                mapped_->releasePages(*tensor, large);
            }
            done += tensor->byteSize;
            if (progress) progress({done, total});
        }
    }

    [[nodiscard]] const ModelConfig& config() const override { return mapped_->config(); }
    [[nodiscard]] const std::filesystem::path& folder() const override { return mapped_->folder(); }
    [[nodiscard]] const std::vector<TensorSpec>& registry() const override { return mapped_->registry(); }
    [[nodiscard]] const Tensor* find(std::string_view name) const override { return mapped_->find(name); }
    void releasePages(const Tensor& tensor, bool fromCache) const override { mapped_->releasePages(tensor, fromCache); }
    [[nodiscard]] std::string place(std::string_view name) const override { return mapped_->place(name); }
    [[nodiscard]] ExpertCache* expertCache() const override { return experts_.get(); }
    [[nodiscard]] std::uint64_t memoryBytes() const override {
        std::uint64_t bytes = experts_ ? experts_->memoryBytes() : 0;
        for (const TensorSpec& spec : registry()) {
            const Tensor* tensor = find(spec.name);
            if (tensor == nullptr || (experts_ && isRoutedExpert(spec))) continue;
            const auto it = packed_.find(spec.name);
            bytes += it == packed_.end() ? tensor->byteSize + tensor->scaleBytes
                                         : static_cast<std::uint64_t>(it->second.matrix.bytes * matricesOf(spec)) +
                                               it->second.scales.size() * sizeof(float);
        }
        return bytes;
    }
    [[nodiscard]] WeightView matrix(std::string_view name, std::int64_t expert) const override {
        const auto it = packed_.find(std::string(name));
        if (it == packed_.end()) return mapped_->matrix(name, expert);
        WeightView view = it->second.first;
        view.data = static_cast<const std::byte*>(view.data) + expert * it->second.matrix.bytes;
        if (view.scaleInv != nullptr) view.scaleInv += expert * it->second.matrix.scales;
        return view;
    }

private:
    /// Where the matrices of a tensor will lie.
    PackedTensor& place(const TensorSpec& spec, DType dtype, std::byte* to) {
        PackedTensor& packed = packed_[spec.name];
        packed.matrix = packedMatrix(mapped_->matrix(spec.name), dtype);
        packed.first = packed.matrix.view;
        packed.first.data = to;
        return packed;
    }

    /// Calls body(rows, index of the matrix, first panel, end) for pieces of all matrices of a tensor that are worth a
    /// claim, on all threads.
    template <typename Body>
    void forPieces(const TensorSpec& spec, kernels::ThreadPool& pool, Body body) const {
        const WeightView rows = mapped_->matrix(spec.name);
        const std::int64_t panels = kernels::panelsOf(rows.n);
        const std::int64_t grain = std::max<std::int64_t>(1, (256 << 10) / (kernels::kPanelColumns * rows.k));
        pool.parallelFor(panels * matricesOf(spec), grain, [&](std::int64_t begin, std::int64_t end) {
            while (begin < end) {
                const std::int64_t index = begin / panels;
                const std::int64_t last = std::min(end, (index + 1) * panels);
                body(mapped_->matrix(spec.name, index), index, begin - index * panels, last - index * panels);
                begin = last;
            }
        });
    }

    /// Packs all matrices of a BF16 tensor at `to` as CompactBF16. Returns false if their numbers are of too many
    /// orders.
    bool packCompact(const TensorSpec& spec, std::byte* to, kernels::ThreadPool& pool) {
        place(spec, DType::kCompactBF16, to);
        std::atomic<bool> fits{true};
        forPieces(spec, pool, [&](const WeightView& rows, std::int64_t index, std::int64_t begin, std::int64_t end) {
            if (fits && !kernels::packCompactPanels(rows, matrix(spec.name, index), begin, end)) fits = false;
        });
        return fits;
    }

    /// Packs all matrices of a BF16 tensor as they are, in memory beyond what was planned.
    void packApart(const TensorSpec& spec, kernels::ThreadPool& pool, const kernels::KernelTable& kernels) {
        const PackedMatrix matrix = packedMatrix(mapped_->matrix(spec.name), DType::kBF16);
        const auto bytes = static_cast<std::uint64_t>(matrix.bytes * matricesOf(spec));
        if (const std::uint64_t available = availableMemory(); bytes > available) {
            throw Error(ErrorCode::kResourceExhausted, "weights: expected " + std::to_string(bytes >> 20U) +
                                                           " MiB of free memory for " + spec.name + ", found " +
                                                           std::to_string(available >> 20U) +
                                                           " MiB; smaller formats, offload or mmap need less");
        }
        auto arena = std::make_unique<Arena>(bytes);
        pack(spec, DType::kBF16, arena->data(), pool, kernels);
        packed_.at(spec.name).arena = std::move(arena);
    }

    /// Packs all matrices of a tensor at `to`; returns where the next tensor goes.
    std::byte* pack(const TensorSpec& spec, DType dtype, std::byte* to, kernels::ThreadPool& pool,
                    const kernels::KernelTable& kernels) {
        PackedTensor& packed = place(spec, dtype, to);
        if (dtype == DType::kE4M3) setScales(spec, packed, mapped_->matrix(spec.name), pool, kernels);
        std::atomic<std::int64_t> bad{-1};
        std::atomic<bool> nan{false};
        const std::int64_t n = packed.first.n;
        forPieces(spec, pool, [&](const WeightView& rows, std::int64_t index, std::int64_t begin, std::int64_t end) {
            if (hasNan(rows, begin, end)) nan = true;
            const std::int64_t row = kernels::packPanels(kernels, rows, matrix(spec.name, index), begin, end);
            if (row >= 0) bad = index * n + row;
        });
        if (nan) checkTensor(*mapped_, spec);
        if (bad >= 0) failNotFinite(*mapped_, spec, bad / n, bad % n);
        return to + alignPacked(packed.matrix.bytes * matricesOf(spec));
    }

    void setScales(const TensorSpec& spec, PackedTensor& packed, const WeightView& rows, kernels::ThreadPool& pool,
                   const kernels::KernelTable& kernels) {
        const std::int64_t matrices = matricesOf(spec);
        const WeightView& view = packed.first;
        const std::int64_t blockRows = packed.matrix.scales / view.scaleStride;
        packed.scales.resize(static_cast<std::size_t>(packed.matrix.scales * matrices));
        packed.first.scaleInv = packed.scales.data();
        if (!packed.matrix.makesScales) {
            if (rows.scaleInv != nullptr) std::copy_n(rows.scaleInv, packed.scales.size(), packed.scales.data());
            return;
        }
        pool.parallelFor(blockRows * matrices, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t index = i / blockRows;
                kernels::e4m3Scales(kernels, mapped_->matrix(spec.name, index), view.blockN, view.blockK, i % blockRows,
                                    i % blockRows + 1, packed.scales.data() + index * packed.matrix.scales);
            }
        });
    }

    std::shared_ptr<const Checkpoint> mapped_;
    Arena arena_;
    std::unique_ptr<ExpertCache> experts_;  // null: they are packed like the rest
    std::unordered_map<std::string, PackedTensor> packed_;
};

}  // namespace

std::shared_ptr<const Checkpoint> readWeights(std::shared_ptr<const Checkpoint> checkpoint,
                                              const WeightFormats& formats, kernels::ThreadPool& pool,
                                              const kernels::KernelTable& kernels, std::uint64_t expertMemory,
                                              const OpenProgressFn& progress, const std::stop_token& stop) {
    return std::make_shared<ReadCheckpoint>(std::move(checkpoint), formats, pool, kernels, expertMemory, progress,
                                            stop);
}

std::shared_ptr<const Checkpoint> openWeights(const std::filesystem::path& folder, const WeightOptions& options,
                                              kernels::ThreadPool& pool, const OpenProgressFn& progress,
                                              const std::stop_token& stop) {
    std::shared_ptr<const Checkpoint> checkpoint = Checkpoint::open(folder, {}, stop);
    WeightOptions wanted = options;
    if (const char* text = std::getenv("STEP3_LOAD"); wanted.mode == LoadMode::kAuto && text != nullptr) {
        const auto parsed = parseLoadMode(text);
        if (!parsed) {
            throw Error(ErrorCode::kInvalidArgument,
                        std::string("STEP3_LOAD: expected auto, read, offload or mmap, found ") + text);
        }
        wanted.mode = *parsed;
    }
    const LoadPlan plan = planLoad(wanted, loadNeeds(*checkpoint, options.formats), availableMemory());
    if (plan.mode == LoadMode::kMap) {
        if (progress) progress({1, 1});
        return checkpoint;
    }
    return readWeights(std::move(checkpoint), options.formats, pool, kernels::activeKernels(), plan.expertMemory,
                       progress, stop);
}

}  // namespace step3::model
