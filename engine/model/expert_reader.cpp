#include "engine/model/expert_reader.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "engine/error.h"
#include "engine/model/finite.h"
#include "kernels/gemm/panels.h"

namespace step3::model {
namespace {

using kernels::DType;
using kernels::WeightView;

std::int64_t ceilDivide(std::int64_t value, std::int64_t by) {
    return (value + by - 1) / by;
}

/// Rows of scales for so many rows of weights.
std::int64_t scaleRows(const WeightView& rows, std::int64_t count) {
    return rows.dtype == DType::kE4M3 ? ceilDivide(count, rows.blockN) : count;
}

template <typename T>
std::span<const T> valuesAt(const std::byte* data, std::int64_t bytes) {
    return {reinterpret_cast<const T*>(data), static_cast<std::size_t>(bytes) / sizeof(T)};
}

}  // namespace

ExpertReader::ExpertReader(std::shared_ptr<const Checkpoint> checkpoint, const WeightFormats& formats,
                           const kernels::KernelTable& kernels, std::int64_t pieceBytes)
    : checkpoint_(std::move(checkpoint)), kernels_(kernels), pieceBytes_(pieceBytes), layout_(*checkpoint_, formats) {
    for (const ExpertLayout::Layer& layer : layout_.layers) {
        const auto& [gate, up, down] = layer.matrices;
        layers_.push_back({cut(gate), cut(up), cut(down)});
    }
}

ExpertReader::Source ExpertReader::source(const std::string& name) {
    const auto range = checkpoint_->fileRange(name);
    if (!range)
        throw Error(ErrorCode::kInternal, checkpoint_->place(name) + ": expected it in a file, found it elsewhere");
    const auto file = files_.try_emplace(range->file, range->file).first;
    return {&file->second, range->begin, checkpoint_->place(name)};
}

ExpertReader::Matrix ExpertReader::cut(const ExpertMatrix& matrix) {
    const WeightView& rows = matrix.rows;
    const bool blocks = rows.dtype == DType::kE4M3;
    Matrix from;
    from.data = source(matrix.spec->name);
    if (matrix.scaleRowBytes > 0) from.scales = source(matrix.spec->name + (blocks ? "_scale_inv" : "_scale"));
    // Pieces end where panels and rows of blocks end, those that are stored and those that are made.
    const std::int64_t unit = std::lcm(std::lcm(kernels::kPanelColumns, blocks ? rows.blockN : 1),
                                       matrix.makesScales ? matrix.view.blockN : 1);
    const std::int64_t fitting = pieceBytes_ / std::max<std::int64_t>(1, kernels::rowBytes(rows.dtype, rows.k));
    from.pieceRows = std::max(unit, fitting / unit * unit);
    from.pieces = ceilDivide(rows.n, from.pieceRows);
    return from;
}

std::int64_t ExpertReader::pieces(std::int64_t moeLayer) const {
    std::int64_t count = 0;
    for (const Matrix& matrix : layers_[static_cast<std::size_t>(moeLayer)]) count += matrix.pieces;
    return count;
}

std::uint64_t ExpertReader::read(std::int64_t moeLayer, std::int64_t expert, std::int64_t piece, std::byte* memory,
                                 std::vector<std::byte>& staging) const {
    const auto& sources = layers_[static_cast<std::size_t>(moeLayer)];
    std::size_t m = 0;
    while (piece >= sources[m].pieces) piece -= sources[m++].pieces;
    const ExpertMatrix& matrix = layout_.layers[static_cast<std::size_t>(moeLayer)].matrices[m];
    return readRows(sources[m], matrix, expert, piece, memory, staging);
}

std::uint64_t ExpertReader::readRows(const Matrix& from, const ExpertMatrix& matrix, std::int64_t expert,
                                     std::int64_t piece, std::byte* memory, std::vector<std::byte>& staging) const {
    WeightView rows = matrix.rows;
    const std::int64_t first = piece * from.pieceRows;
    const std::int64_t rowBytes = kernels::rowBytes(rows.dtype, rows.k);
    const std::int64_t dataBegin = (expert * rows.n + first) * rowBytes;
    const std::int64_t scaleBegin = (expert * scaleRows(rows, rows.n) + scaleRows(rows, first)) * matrix.scaleRowBytes;
    rows.n = std::min(from.pieceRows, rows.n - first);
    const std::int64_t dataBytes = rows.n * rowBytes;
    const std::int64_t scaleBytes = scaleRows(rows, rows.n) * matrix.scaleRowBytes;

    // Rows and scales that stay as they are go to their place at once.
    const bool keepsScales = !matrix.packs || (matrix.view.dtype == DType::kE4M3 && !matrix.makesScales);
    const std::int64_t stagedData = matrix.packs ? alignPacked(dataBytes) : 0;
    const auto needed = static_cast<std::size_t>(stagedData + (keepsScales ? 0 : scaleBytes));
    if (staging.size() < needed) staging.resize(needed);
    std::byte* data = matrix.packs ? staging.data() : memory + matrix.at + first * rowBytes;
    std::byte* scales = keepsScales ? memory + matrix.scalesAt + scaleRows(matrix.rows, first) * matrix.scaleRowBytes
                                    : staging.data() + stagedData;

    from.data.file->read(from.data.begin + static_cast<std::uint64_t>(dataBegin),
                         {data, static_cast<std::size_t>(dataBytes)}, from.data.place);
    if (scaleBytes > 0)
        from.scales.file->read(from.scales.begin + static_cast<std::uint64_t>(scaleBegin),
                               {scales, static_cast<std::size_t>(scaleBytes)}, from.scales.place);
    rows.data = data;
    if (rows.dtype == DType::kE4M3) {
        checkCodes({data, static_cast<std::size_t>(dataBytes)}, from.data.place, static_cast<std::uint64_t>(dataBegin));
        const auto blockScales = valuesAt<float>(scales, scaleBytes);
        checkBlockScales(blockScales, from.scales.place, static_cast<std::uint64_t>(scaleBegin) / 4);
        rows.scaleInv = blockScales.data();
    } else if (kernels::isGroupFormat(rows.dtype)) {
        const auto groupScales = valuesAt<std::uint16_t>(scales, scaleBytes);
        checkGroupScales(groupScales, from.scales.place, static_cast<std::uint64_t>(scaleBegin) / 2);
        rows.groupScales = groupScales.data();
    }
    if (matrix.packs) pack(matrix, expert, first, rows, memory);
    return static_cast<std::uint64_t>(dataBytes + scaleBytes);
}

void ExpertReader::pack(const ExpertMatrix& matrix, std::int64_t expert, std::int64_t firstRow, const WeightView& rows,
                        std::byte* memory) const {
    WeightView target = ExpertLayout::view(matrix, memory);
    target.n = rows.n;
    target.data = static_cast<const std::byte*>(target.data) +
                  firstRow / kernels::kPanelColumns * kernels::panelBytes(target.dtype, rows.k);
    if (target.scaleInv != nullptr) {
        auto* scales =
            reinterpret_cast<float*>(memory + matrix.scalesAt) + firstRow / target.blockN * target.scaleStride;
        target.scaleInv = scales;
        if (matrix.makesScales) {
            const std::int64_t blockRows = ceilDivide(rows.n, target.blockN);
            kernels::e4m3Scales(kernels_, rows, target.blockN, target.blockK, 0, blockRows, scales);
        }
    }
    const std::int64_t bad = kernels::packPanels(kernels_, rows, target, 0, kernels::panelsOf(rows.n));
    if (bad >= 0) failNotFinite(*checkpoint_, *matrix.spec, expert, firstRow + bad);
}

}  // namespace step3::model
