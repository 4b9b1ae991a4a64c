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
#include "engine/model/memory.h"
#include "engine/model/summary.h"
#include "kernels/gemm/panels.h"

namespace step3::model {
namespace {

using kernels::DType;
using kernels::WeightView;

constexpr std::int64_t kQuantBlock = 128;  // rows and columns of an E4M3 block

/// The number format a tensor is packed in; nothing if it stays where it is.
std::optional<DType> packedType(const TensorSpec& spec, const Checkpoint& checkpoint, const WeightFormats& formats) {
    const bool matrix = spec.shape.size() >= 2 && spec.name.ends_with(".weight") &&
                        spec.name != "model.embed_tokens.weight" && !spec.name.ends_with("position_embedding.weight");
    if (!matrix || checkpoint.find(spec.name) == nullptr) return std::nullopt;
    const WeightView rows = checkpoint.matrix(spec.name);
    const WeightFormat format = formatOf(spec, formats);
    if (format == WeightFormat::kInt8) return DType::kInt8Group;
    if (format == WeightFormat::kInt4) return DType::kInt4Group;
    if (format == WeightFormat::kFp8 && rows.dtype != DType::kE4M3) return DType::kE4M3;
    return kernels::canPack(rows) ? std::optional(rows.dtype) : std::nullopt;
}

/// Matrices of a tensor: E of a fused expert tensor, else 1.
std::int64_t matricesOf(const TensorSpec& spec) {
    return spec.shape.size() == 3 ? spec.shape[0] : 1;
}

struct PackedTensor {
    WeightView first;  // matrix 0
    std::int64_t matrixBytes = 0;
    std::int64_t matrixScales = 0;
    std::vector<float> scales;  // E4M3, made here or copied from the file
};

std::string mebibytes(std::uint64_t bytes) {
    return std::to_string(bytes >> 20U) + " MiB";
}

std::int64_t roundUp(std::int64_t bytes) {
    constexpr std::int64_t kAlignment = 4096;
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class ReadCheckpoint final : public Checkpoint {
public:
    using Checkpoint::matrix;

    ReadCheckpoint(std::shared_ptr<const Checkpoint> mapped, const WeightFormats& formats, kernels::ThreadPool& pool,
                   const kernels::KernelTable& kernels, const OpenProgressFn& progress, const std::stop_token& stop)
        : mapped_(std::move(mapped)), arena_(packedBytes(*mapped_, formats)) {
        std::uint64_t total = 0;
        for (const TensorSpec& spec : mapped_->registry()) {
            if (const Tensor* tensor = mapped_->find(spec.name)) total += tensor->byteSize;
        }
        const bool large = total > availableMemory() / 4;
        std::uint64_t done = 0;
        std::byte* next = arena_.data();
        for (const TensorSpec& spec : mapped_->registry()) {
            const Tensor* tensor = mapped_->find(spec.name);
            if (tensor == nullptr) continue;
            if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "opening the model was cancelled");
            if (const auto dtype = packedType(spec, *mapped_, formats)) {
                if (tensor->groupScales != nullptr)
                    checkGroupScales({tensor->groupScales, tensor->scaleBytes / 2},
                                     mapped_->place(spec.name + "_scale"));
                next = pack(spec, *dtype, next, pool, kernels);
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
    [[nodiscard]] WeightView matrix(std::string_view name, std::int64_t expert) const override {
        const auto it = packed_.find(std::string(name));
        if (it == packed_.end()) return mapped_->matrix(name, expert);
        WeightView view = it->second.first;
        view.data = static_cast<const std::byte*>(view.data) + expert * it->second.matrixBytes;
        if (view.scaleInv != nullptr) view.scaleInv += expert * it->second.matrixScales;
        return view;
    }

private:
    /// Packs all matrices of a tensor at `to`; returns where the next tensor goes.
    std::byte* pack(const TensorSpec& spec, DType dtype, std::byte* to, kernels::ThreadPool& pool,
                    const kernels::KernelTable& kernels) {
        const std::int64_t matrices = matricesOf(spec);
        const WeightView rows = mapped_->matrix(spec.name);
        PackedTensor& packed = packed_[spec.name];
        packed.first = rows;
        packed.first.data = to;
        packed.first.dtype = dtype;
        packed.first.layout = kernels::Layout::kPanels;
        packed.first.groupScales = nullptr;
        packed.matrixBytes = kernels::panelMatrixBytes(dtype, rows.n, rows.k);
        if (dtype == DType::kE4M3) {
            setScales(spec, packed, rows, pool, kernels);
        } else {
            packed.first.scaleInv = nullptr;
        }
        std::atomic<std::int64_t> bad{-1};
        // Panels of all matrices in one loop, in pieces large enough to be worth a claim.
        const std::int64_t panels = kernels::panelsOf(rows.n);
        const std::int64_t grain = std::max<std::int64_t>(1, (256 << 10) / (kernels::kPanelColumns * rows.k));
        pool.parallelFor(panels * matrices, grain, [&](std::int64_t begin, std::int64_t end) {
            while (begin < end) {
                const std::int64_t index = begin / panels;
                const std::int64_t last = std::min(end, (index + 1) * panels);
                const std::int64_t row =
                    kernels::packPanels(kernels, mapped_->matrix(spec.name, index), matrix(spec.name, index),
                                        begin - index * panels, last - index * panels);
                if (row >= 0) bad = index * rows.n + row;
                begin = last;
            }
        });
        if (bad >= 0) failNotFinite(*mapped_, spec, bad / rows.n, bad % rows.n);
        return to + roundUp(packed.matrixBytes * matrices);
    }

    void setScales(const TensorSpec& spec, PackedTensor& packed, const WeightView& rows, kernels::ThreadPool& pool,
                   const kernels::KernelTable& kernels) {
        const std::int64_t matrices = matricesOf(spec);
        const bool made = rows.dtype != DType::kE4M3;
        if (made) packed.first.blockN = packed.first.blockK = kQuantBlock;
        const WeightView& view = packed.first;
        const std::int64_t blockRows = (rows.n + view.blockN - 1) / view.blockN;
        packed.first.scaleStride = (rows.k + view.blockK - 1) / view.blockK;
        packed.matrixScales = blockRows * view.scaleStride;
        packed.scales.resize(static_cast<std::size_t>(packed.matrixScales * matrices));
        packed.first.scaleInv = packed.scales.data();
        if (!made) {
            if (rows.scaleInv != nullptr) std::copy_n(rows.scaleInv, packed.scales.size(), packed.scales.data());
            return;
        }
        pool.parallelFor(blockRows * matrices, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t index = i / blockRows;
                kernels::e4m3Scales(kernels, mapped_->matrix(spec.name, index), kQuantBlock, kQuantBlock, i % blockRows,
                                    i % blockRows + 1, packed.scales.data() + index * packed.matrixScales);
            }
        });
    }

    std::shared_ptr<const Checkpoint> mapped_;
    Arena arena_;
    std::unordered_map<std::string, PackedTensor> packed_;
};

}  // namespace

void failNotFinite(const Checkpoint& checkpoint, const TensorSpec& spec, std::int64_t matrix, std::int64_t row) {
    const std::string expert = spec.shape.size() == 3 ? " of expert " + std::to_string(matrix) : "";
    throw Error(
        ErrorCode::kInvalidData,
        checkpoint.place(spec.name) + ": expected finite weights, found others in row " + std::to_string(row) + expert);
}

std::optional<WeightFormat> parseWeightFormat(std::string_view name) {
    if (name == "bf16") return WeightFormat::kStored;
    if (name == "fp8") return WeightFormat::kFp8;
    if (name == "int8") return WeightFormat::kInt8;
    if (name == "int4") return WeightFormat::kInt4;
    return std::nullopt;
}

std::optional<WeightFormats> parseWeightFormats(std::string_view name) {
    if (name == "mixed") return WeightFormats::mixed();
    const auto format = parseWeightFormat(name);
    return format ? std::optional(WeightFormats::all(*format)) : std::nullopt;
}

std::optional<LoadMode> parseLoadMode(std::string_view name) {
    if (name == "auto") return LoadMode::kAuto;
    if (name == "read") return LoadMode::kRead;
    if (name == "mmap") return LoadMode::kMap;
    return std::nullopt;
}

WeightFormats WeightFormats::all(WeightFormat format) {
    const bool fp8 = format == WeightFormat::kFp8;  // like FP8 checkpoints, which keep the head in BF16
    const WeightFormat head = fp8                             ? WeightFormat::kStored
                              : format == WeightFormat::kInt4 ? WeightFormat::kInt8
                                                              : format;
    return {format, format, head};
}

WeightFormats WeightFormats::mixed() {
    return {WeightFormat::kInt4, WeightFormat::kInt8, WeightFormat::kInt8};
}

bool WeightFormats::allStored() const {
    return experts == WeightFormat::kStored && attention == WeightFormat::kStored && head == WeightFormat::kStored;
}

std::uint64_t packedBytes(const Checkpoint& checkpoint, const WeightFormats& formats) {
    std::int64_t bytes = 0;
    for (const TensorSpec& spec : checkpoint.registry()) {
        if (const auto dtype = packedType(spec, checkpoint, formats)) {
            const WeightView rows = checkpoint.matrix(spec.name);
            bytes += roundUp(kernels::panelMatrixBytes(*dtype, rows.n, rows.k) * matricesOf(spec));
        }
    }
    return static_cast<std::uint64_t>(bytes);
}

std::shared_ptr<const Checkpoint> readWeights(std::shared_ptr<const Checkpoint> checkpoint,
                                              const WeightFormats& formats, kernels::ThreadPool& pool,
                                              const kernels::KernelTable& kernels, const OpenProgressFn& progress,
                                              const std::stop_token& stop) {
    return std::make_shared<ReadCheckpoint>(std::move(checkpoint), formats, pool, kernels, progress, stop);
}

LoadMode chooseLoadMode(LoadMode wanted, const WeightFormats& formats, std::uint64_t packed, std::uint64_t alwaysRead,
                        std::uint64_t available) {
    // Some room for the KV cache and activations.
    const std::uint64_t usable = available - available / 8;
    if (wanted == LoadMode::kMap && !formats.allStored()) {
        throw Error(
            ErrorCode::kInvalidArgument,
            "weights: expected the read mode for quantised weights, found mmap: mapped files cannot be changed");
    }
    const bool fits = packed <= usable;
    if (wanted == LoadMode::kRead || (wanted == LoadMode::kAuto && (fits || !formats.allStored()))) {
        if (fits) return LoadMode::kRead;
        throw Error(ErrorCode::kResourceExhausted, "weights: expected at most " + mebibytes(usable) +
                                                       " in memory (of " + mebibytes(available) + " free), found " +
                                                       mebibytes(packed) + "; smaller formats or mmap need less");
    }
    if (wanted == LoadMode::kAuto && alwaysRead > usable) {
        throw Error(ErrorCode::kResourceExhausted,
                    "weights: expected at most " + mebibytes(usable) + " that every token reads (of " +
                        mebibytes(available) + " free), found " + mebibytes(alwaysRead) +
                        ": every token would wait for the disk; choose mmap explicitly to run it all the same");
    }
    return LoadMode::kMap;
}

std::shared_ptr<const Checkpoint> openWeights(const std::filesystem::path& folder, const WeightOptions& options,
                                              kernels::ThreadPool& pool, const OpenProgressFn& progress,
                                              const std::stop_token& stop) {
    std::shared_ptr<const Checkpoint> checkpoint = Checkpoint::open(folder, {}, stop);
    LoadMode mode = options.mode;
    if (const char* text = std::getenv("STEP3_LOAD"); mode == LoadMode::kAuto && text != nullptr) {
        const auto parsed = parseLoadMode(text);
        if (!parsed) {
            throw Error(ErrorCode::kInvalidArgument,
                        std::string("STEP3_LOAD: expected auto, read or mmap, found ") + text);
        }
        mode = *parsed;
    }
    mode = chooseLoadMode(mode, options.formats, packedBytes(*checkpoint, options.formats),
                          summarize(*checkpoint).bytesEveryToken, availableMemory());
    if (mode == LoadMode::kRead) {
        return readWeights(std::move(checkpoint), options.formats, pool, kernels::activeKernels(), progress, stop);
    }
    if (progress) progress({1, 1});
    return checkpoint;
}

}  // namespace step3::model
