#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/expert_layout.h"
#include "engine/model/read_file.h"
#include "kernels/cpu/kernel_table.h"

namespace step3::model {

/// Reads routed experts out of the checkpoint's files, checked and packed as their formats ask. read() may run on
/// several threads.
class ExpertReader {
public:
    /// Large against a disk's latency, small enough for several threads to share an expert.
    static constexpr std::int64_t kPieceBytes = 4 << 20;

    /// Throws Error kNotFound or kIo if a file cannot be opened, kInternal if `checkpoint` does not lie in files.
    ExpertReader(std::shared_ptr<const Checkpoint> checkpoint, const WeightFormats& formats,
                 const kernels::KernelTable& kernels, std::int64_t pieceBytes = kPieceBytes);

    [[nodiscard]] const ExpertLayout& layout() const { return layout_; }
    /// An expert is read in pieces, which threads can share.
    [[nodiscard]] std::int64_t pieces(std::int64_t moeLayer) const;
    /// Reads a piece of an expert to its place in the expert's `memory`; returns the bytes read. `staging` is a buffer
    /// to keep between calls. Throws Error kIo or kInvalidData naming file and tensor.
    std::uint64_t read(std::int64_t moeLayer, std::int64_t expert, std::int64_t piece, std::byte* memory,
                       std::vector<std::byte>& staging) const;

private:
    /// A tensor of all experts of a layer in its file.
    struct Source {
        const ReadFile* file = nullptr;
        std::uint64_t begin = 0;
        std::string place;
    };
    struct Matrix {
        Source data, scales;
        std::int64_t pieceRows = 0, pieces = 0;
    };

    Source source(const std::string& name);
    Matrix cut(const ExpertMatrix& matrix);
    std::uint64_t readRows(const Matrix& from, const ExpertMatrix& matrix, std::int64_t expert, std::int64_t piece,
                           std::byte* memory, std::vector<std::byte>& staging) const;
    void pack(const ExpertMatrix& matrix, std::int64_t expert, std::int64_t firstRow, const kernels::WeightView& rows,
              std::byte* memory) const;

    std::shared_ptr<const Checkpoint> checkpoint_;
    const kernels::KernelTable& kernels_;
    std::int64_t pieceBytes_;
    ExpertLayout layout_;
    std::map<std::filesystem::path, ReadFile> files_;
    std::vector<std::array<Matrix, 3>> layers_;  // [MoE layers]
};

}  // namespace step3::model
