#include "kernels/attention/mfa.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/work_split.h"

namespace step3::kernels {
namespace {

/// Rows computed against one page together: enough to widen K and V rarely, few enough for the scratch.
constexpr std::int64_t kMostRows = kAttendMostRows;

/// Rows [row, row + rows) of a sequence, a row being (token, head); with `range` >= 0 only that range of keys.
struct Piece {
    const MfaSequence* sequence;
    std::int64_t row;
    std::int64_t rows;
    std::int64_t range;
    std::int64_t partial;  // first row of its partial result in the workspace
};

std::int64_t rangeCount(std::int64_t keys) {
    return (keys + kMfaRangeKeys - 1) / kMfaRangeKeys;
}

/// Keys a row sees.
std::int64_t keysOf(const MfaSequence& sequence, std::int64_t row, std::int64_t heads) {
    return sequence.firstPosition + row / heads + 1;
}

/// Online softmax of rows over keys [from, to), `from` the start of a page; out, maxima and sums are written.
void attendRange(const KernelTable& kernels, const MfaParams& p, const MfaSequence& s, std::int64_t row,
                 std::int64_t rows, std::int64_t from, std::int64_t to, float* out, float* maxima, float* sums) {
    std::int32_t visible[kMostRows];
    for (std::int64_t r = 0; r < rows; ++r) {
        visible[r] =
            static_cast<std::int32_t>(std::clamp<std::int64_t>(keysOf(s, row + r, p.heads) - from, 0, to - from));
    }
    AttendRangeParams a{};
    a.format = p.format;
    a.q = s.q + row * p.headDim;
    a.pages = s.pages.data() + from / p.pageTokens;
    a.kOffset = s.kOffset;
    a.vOffset = s.vOffset;
    a.pageTokens = p.pageTokens;
    a.keys = to - from;
    a.visible = visible;
    a.rows = rows;
    a.headDim = p.headDim;
    a.scale = 1.0F / std::sqrt(static_cast<float>(p.headDim));
    a.maxima = maxima;
    a.sums = sums;
    a.out = out;
    kernels.attendRange(a);
}

/// total (out, maximum, sum) joined with a part of later keys.
void merge(const KernelTable& kernels, std::int64_t dim, float* out, float& maximum, float& sum, const float* partOut,
           float partMaximum, float partSum) {
    if (partSum == 0.0F) return;  // the row sees no key of this part
    const float largest = std::max(maximum, partMaximum);
    const float a = std::exp(maximum - largest);
    const float b = std::exp(partMaximum - largest);
    kernels.scaleAdd(out, a, partOut, b, dim);
    sum = sum * a + partSum * b;
    maximum = largest;
}

void divide(float* out, float sum, std::int64_t dim) {
    const float factor = 1.0F / sum;
    for (std::int64_t d = 0; d < dim; ++d) out[d] *= factor;
}

/// All ranges of a piece one after another, straight into the result.
void runWhole(const KernelTable& kernels, const MfaParams& p, const Piece& piece, float* part) {
    const MfaSequence& s = *piece.sequence;
    float* out = s.out + piece.row * p.headDim;
    float maxima[kMostRows];
    float sums[kMostRows];
    const std::int64_t keys = keysOf(s, piece.row + piece.rows - 1, p.heads);
    attendRange(kernels, p, s, piece.row, piece.rows, 0, std::min(keys, kMfaRangeKeys), out, maxima, sums);
    for (std::int64_t from = kMfaRangeKeys; from < keys; from += kMfaRangeKeys) {
        float partMaxima[kMostRows];
        float partSums[kMostRows];
        attendRange(kernels, p, s, piece.row, piece.rows, from, std::min(keys, from + kMfaRangeKeys), part, partMaxima,
                    partSums);
        for (std::int64_t r = 0; r < piece.rows; ++r) {
            merge(kernels, p.headDim, out + r * p.headDim, maxima[r], sums[r], part + r * p.headDim, partMaxima[r],
                  partSums[r]);
        }
    }
    for (std::int64_t r = 0; r < piece.rows; ++r) divide(out + r * p.headDim, sums[r], p.headDim);
}

std::int64_t roundUp(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b * b;
}

}  // namespace

void mfaAttention(const KernelTable& kernels, ThreadPool& pool, MfaWorkspace& workspace, const MfaParams& p) {
    const auto threads = static_cast<std::int64_t>(pool.threads());
    std::int64_t rows = 0;
    std::int64_t work = 0;
    for (const MfaSequence& s : p.sequences) {
        rows += s.tokens * p.heads;
        work += s.tokens * p.heads * (s.firstPosition + s.tokens) * p.headDim * 2;
    }
    if (rows == 0) return;
    // Blocks of rows, a multiple of the tile height where there are enough of them; small work stays in one piece. Key
    // ranges go to different threads only if the rows alone do not keep all threads busy.
    std::int64_t block = kMostRows;
    const bool alone = pool.runsInline(work);
    if (!alone) block = std::clamp<std::int64_t>(roundUp((rows + 2 * threads - 1) / (2 * threads), 6), 6, kMostRows);

    std::vector<Piece> pieces;
    std::int64_t partialRows = 0;
    const bool splitKeys = !alone && rows < 4 * threads * block;
    for (const MfaSequence& s : p.sequences) {
        const std::int64_t all = s.tokens * p.heads;
        for (std::int64_t row = 0; row < all; row += block) {
            const std::int64_t count = std::min(block, all - row);
            const std::int64_t ranges = rangeCount(keysOf(s, row + count - 1, p.heads));
            if (!splitKeys || ranges == 1) {
                pieces.push_back({&s, row, count, -1, partialRows});
                partialRows += ranges == 1 ? 0 : count;
                continue;
            }
            for (std::int64_t range = 0; range < ranges; ++range) {
                pieces.push_back({&s, row, count, range, partialRows});
                partialRows += count;
            }
        }
    }
    if (workspace.out.size() < static_cast<std::size_t>(partialRows * p.headDim)) {
        workspace.out.resize(static_cast<std::size_t>(partialRows * p.headDim));
    }
    if (workspace.sums.size() < static_cast<std::size_t>(2 * partialRows)) {
        workspace.sums.resize(static_cast<std::size_t>(2 * partialRows));
    }
    float* partialOut = workspace.out.data();
    float* partialMaxima = workspace.sums.data();
    float* partialSums = workspace.sums.data() + partialRows;

    // Later tokens see more keys, so the longest pieces start first.
    const auto count = static_cast<std::int64_t>(pieces.size());
    pool.parallelFor(count, alone ? count : 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const Piece& piece = pieces[static_cast<std::size_t>(count - 1 - i)];
            float* part = partialOut + piece.partial * p.headDim;
            if (piece.range < 0) {
                runWhole(kernels, p, piece, part);
            } else {
                const std::int64_t keys = keysOf(*piece.sequence, piece.row + piece.rows - 1, p.heads);
                const std::int64_t from = piece.range * kMfaRangeKeys;
                attendRange(kernels, p, *piece.sequence, piece.row, piece.rows, from,
                            std::min(keys, from + kMfaRangeKeys), part, partialMaxima + piece.partial,
                            partialSums + piece.partial);
            }
        }
    });

    for (std::size_t i = 0; i < pieces.size(); ++i) {  // merge what was split, range by range
        const Piece& piece = pieces[i];
        if (piece.range < 0) continue;
        float* out = piece.sequence->out + piece.row * p.headDim;
        // The first range's partial sums become the totals.
        float* maxima = partialMaxima + piece.partial - piece.range * piece.rows;
        float* sums = partialSums + piece.partial - piece.range * piece.rows;
        const float* part = partialOut + piece.partial * p.headDim;
        if (piece.range == 0) {
            std::copy_n(part, piece.rows * p.headDim, out);
        } else {
            for (std::int64_t r = 0; r < piece.rows; ++r) {
                merge(kernels, p.headDim, out + r * p.headDim, maxima[r], sums[r], part + r * p.headDim,
                      partialMaxima[piece.partial + r], partialSums[piece.partial + r]);
            }
        }
        const bool last = i + 1 == pieces.size() || pieces[i + 1].range <= 0;
        if (!last) continue;
        for (std::int64_t r = 0; r < piece.rows; ++r) divide(out + r * p.headDim, sums[r], p.headDim);
    }
}

void mfaAttentionReference(const MfaParams& p) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(p.headDim));
    const std::int64_t rowBytes = kvRowBytes(p.format, p.headDim);
    std::vector<float> wide(static_cast<std::size_t>(p.headDim));
    for (const MfaSequence& s : p.sequences) {
        const auto load = [&](std::int64_t key, std::int64_t offset) {
            const std::byte* page = s.pages[static_cast<std::size_t>(key / p.pageTokens)];
            loadKvRow(p.format, page + offset + key % p.pageTokens * rowBytes, p.headDim, wide.data());
            return wide.data();
        };
        for (std::int64_t row = 0; row < s.tokens * p.heads; ++row) {
            const std::int64_t keys = keysOf(s, row, p.heads);
            const float* q = s.q + row * p.headDim;
            std::vector<double> scores(static_cast<std::size_t>(keys));
            double largest = -std::numeric_limits<double>::infinity();
            for (std::int64_t key = 0; key < keys; ++key) {
                const float* k = load(key, s.kOffset);
                double& score = scores[static_cast<std::size_t>(key)];
                for (std::int64_t d = 0; d < p.headDim; ++d) score += static_cast<double>(q[d]) * k[d];
                score *= scale;
                largest = std::max(largest, score);
            }
            std::vector<double> out(static_cast<std::size_t>(p.headDim));
            double sum = 0;
            for (std::int64_t key = 0; key < keys; ++key) {
                const float* v = load(key, s.vOffset);
                const double weight = std::exp(scores[static_cast<std::size_t>(key)] - largest);
                sum += weight;
                for (std::int64_t d = 0; d < p.headDim; ++d) out[static_cast<std::size_t>(d)] += weight * v[d];
            }
            for (std::int64_t d = 0; d < p.headDim; ++d) {
                s.out[row * p.headDim + d] = static_cast<float>(out[static_cast<std::size_t>(d)] / sum);
            }
        }
    }
}

}  // namespace step3::kernels
