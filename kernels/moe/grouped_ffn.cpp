#include "kernels/moe/grouped_ffn.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/work_split.h"
#include "kernels/gemm/strip.h"

namespace step3::kernels {
namespace {

constexpr std::int64_t kSums = kStripRows * kMostPanels * kPanelColumns;

std::int64_t rowsOf(const FfnGroup& group, std::int64_t tokens) {
    return group.tokens.empty() ? tokens : static_cast<std::int64_t>(group.tokens.size());
}

/// Strips [begin, end) of one group's gate and up.
struct Piece {
    std::size_t group;
    std::int64_t begin;
    std::int64_t end;
    std::int64_t rows;
};

/// Pieces of about equal work, those of the groups with most rows first, so that no long one starts last.
std::vector<Piece> cutPieces(const GroupedFfnParams& p, std::int64_t share, std::int64_t width) {
    std::vector<Piece> pieces;
    for (std::size_t g = 0; g < p.groups.size(); ++g) {
        const WeightView& w = p.groups[g].weights->gate;
        const std::int64_t rows = rowsOf(p.groups[g], p.tokens);
        const Strips strips(w, width);
        const std::int64_t stripWork = 2 * rows * strips.width * kPanelColumns * w.k;
        const std::int64_t step = std::max<std::int64_t>(1, share / stripWork);
        for (std::int64_t begin = 0; begin < strips.count; begin += step) {
            pieces.push_back({g, begin, std::min(begin + step, strips.count), rows});
        }
    }
    std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.rows > b.rows; });
    return pieces;
}

/// Rows of x that a group reads, in its weights' form: pointers into the sets prepared for all tokens.
void pickRows(const FfnGroup& group, const void* const* all, std::int64_t tokens, const void** to) {
    if (group.tokens.empty()) {
        std::copy_n(all, tokens, to);
        return;
    }
    for (const std::int32_t token : group.tokens) *to++ = all[token];
}

/// active [rows, F] = silu(x gate^T) * (x up^T) for some strips: first all of gate's, then all of up's, because memory
/// delivers what lies in one piece faster than two matrices in turns.
void gateUp(const KernelTable& kernels, const FfnWeights& w, const Strips& strips, std::int64_t begin, std::int64_t end,
            const void* const* gateRows, const void* const* upRows, std::int64_t rows, float* active) {
    alignas(64) float sums[kSums];
    for (std::int64_t t0 = 0; t0 < rows; t0 += kStripRows) {
        const std::int64_t count = std::min(kStripRows, rows - t0);
        for (const bool up : {false, true}) {
            for (std::int64_t strip = begin; strip < end; ++strip) {
                float* rowsActive = active + t0 * w.gate.n;
                if (!up) {
                    stripProductInto(kernels, w.gate, strips, strip, gateRows + t0, count, sums, rowsActive);
                    continue;
                }
                const StripColumns at = stripProduct(kernels, w.up, strips, strip, upRows + t0, count, sums);
                for (std::size_t p = 0; p < static_cast<std::size_t>(at.panels); ++p) {
                    const float* from = sums + static_cast<std::int64_t>(p) * kPanelColumns;
                    float* to = rowsActive + at.column[p];
                    for (std::int64_t t = 0; t < count; ++t, from += at.panels * kPanelColumns, to += w.gate.n) {
                        kernels.siluMul(to, from, at.columns[p], to);
                    }
                }
            }
        }
    }
}

/// out += factor * sums for one strip and the group's rows [t0, t0 + count); the first group of a call overwrites.
void scatter(const KernelTable& kernels, const GroupedFfnParams& p, const FfnGroup& group, std::int64_t t0,
             std::int64_t count, const StripColumns& at, const float* sums, bool overwrite) {
    for (std::int64_t t = 0; t < count; ++t) {
        const auto member = static_cast<std::size_t>(t0 + t);
        const std::int64_t token = group.tokens.empty() ? t0 + t : group.tokens[member];
        const float factor = group.tokens.empty() ? 1.0F : group.factors[member];
        float* row = p.out + token * p.hidden;
        for (std::size_t q = 0; q < static_cast<std::size_t>(at.panels); ++q, sums += kPanelColumns) {
            if (overwrite) {
                std::copy_n(sums, at.columns[q], row + at.column[q]);
            } else {
                kernels.addScaled(row + at.column[q], sums, factor, at.columns[q]);
            }
        }
    }
}

/// Strips [begin, end) of the output, group after group.
void down(const KernelTable& kernels, const GroupedFfnParams& p, const FfnWorkspace& workspace, const Strips& strips,
          std::int64_t begin, std::int64_t end) {
    alignas(64) float sums[kSums];
    const bool hasAll = p.groups.front().tokens.empty();  // a group of all tokens to start from
    for (std::int64_t strip = begin; strip < end && !hasAll && !p.accumulate; ++strip) {
        for (std::int64_t panel = strip; panel < panelsOf(p.hidden); panel += strips.count) {
            const std::int64_t column = panel * kPanelColumns;
            for (std::int64_t t = 0; t < p.tokens; ++t) {
                std::fill_n(p.out + t * p.hidden + column, std::min(kPanelColumns, p.hidden - column), 0.0F);
            }
        }
    }
    for (std::size_t g = 0; g < p.groups.size(); ++g) {
        const FfnGroup& group = p.groups[g];
        const WeightView& w = group.weights->down;
        const FfnWorkspace::Place& place = workspace.places[g];
        const void* const* rows = workspace.downRows.data() + place.firstRow;
        for (std::int64_t t0 = 0; t0 < place.rows; t0 += kStripRows) {
            const std::int64_t count = std::min(kStripRows, place.rows - t0);
            for (std::int64_t strip = begin; strip < end; ++strip) {
                const StripColumns at = stripProduct(kernels, w, strips, strip, rows + t0, count, sums);
                scatter(kernels, p, group, t0, count, at, sums, hasAll && g == 0 && !p.accumulate);
            }
        }
    }
}

/// Where each group's rows lie, and room for them.
std::int64_t placeGroups(FfnWorkspace& workspace, const GroupedFfnParams& p) {
    workspace.places.clear();
    std::int64_t row = 0;
    std::int64_t active = 0;
    for (const FfnGroup& group : p.groups) {
        const std::int64_t rows = rowsOf(group, p.tokens);
        workspace.places.push_back({rows, row, active});
        row += rows;
        active += rows * group.weights->gate.n;
    }
    const auto fit = [](auto& buffer, std::int64_t size) {
        if (buffer.size() < static_cast<std::size_t>(size)) buffer.resize(static_cast<std::size_t>(size));
    };
    fit(workspace.gateRows, row);
    fit(workspace.upRows, row);
    fit(workspace.downRows, row);
    fit(workspace.active, active);
    return row;
}

/// Rows of `active` in the form that the groups' down matrices read.
void prepareDown(const KernelTable& kernels, ThreadPool& pool, FfnWorkspace& workspace, const GroupedFfnParams& p,
                 std::int64_t rows) {
    std::int64_t bytes = 0;
    std::int64_t work = 0;
    std::vector<std::int64_t> offset(p.groups.size(), -1);
    for (std::size_t g = 0; g < p.groups.size(); ++g) {
        const WeightView& w = p.groups[g].weights->down;
        const FfnWorkspace::Place& place = workspace.places[g];
        const std::int64_t rowBytes = w.layout == Layout::kRows ? 0 : preparedBytes(w.dtype, w.k);
        if (rowBytes > 0) {
            offset[g] = bytes;
            bytes += place.rows * ((rowBytes + 63) / 64 * 64);
        }
        work += place.rows * w.k * 2;
    }
    char* buffer = bytes > 0 ? workspace.prepared.fit(bytes) : nullptr;
    // Row number over all groups -> its pointer; the copies are made in a loop only if there are any.
    const auto point = [&](std::int64_t begin, std::int64_t end) {
        for (std::size_t g = 0; g < p.groups.size(); ++g) {
            const WeightView& w = p.groups[g].weights->down;
            const FfnWorkspace::Place& place = workspace.places[g];
            const std::int64_t from = std::max(begin, place.firstRow);
            const std::int64_t to = std::min(end, place.firstRow + place.rows);
            for (std::int64_t row = from; row < to; ++row) {
                const std::int64_t t = row - place.firstRow;
                const float* x = workspace.active.data() + place.active + t * w.k;
                const void*& pointer = workspace.downRows[static_cast<std::size_t>(row)];
                pointer = x;
                if (offset[g] < 0) continue;
                char* copy = buffer + offset[g] + t * ((preparedBytes(w.dtype, w.k) + 63) / 64 * 64);
                kernels.prepareRow(w.dtype, x, w.k, copy);
                pointer = copy;
            }
        }
    };
    if (bytes == 0) {
        point(0, rows);
    } else {
        pool.parallelFor(rows, pieceUnits(rows, work / rows, pool.threads()), point);
    }
}

}  // namespace

void groupedFfn(const KernelTable& kernels, ThreadPool& pool, FfnWorkspace& workspace, const GroupedFfnParams& p) {
    if (p.tokens <= 0 || p.groups.empty()) return;
    const std::int64_t rows = placeGroups(workspace, p);
    workspace.x.clear();
    std::int64_t work = 0;
    for (std::size_t g = 0; g < p.groups.size(); ++g) {
        const FfnWeights& w = *p.groups[g].weights;
        const FfnWorkspace::Place& place = workspace.places[g];
        workspace.x.prepare(kernels, pool, w.gate, p.x, p.tokens);
        workspace.x.prepare(kernels, pool, w.up, p.x, p.tokens);
        pickRows(p.groups[g], workspace.x.of(w.gate), p.tokens, workspace.gateRows.data() + place.firstRow);
        pickRows(p.groups[g], workspace.x.of(w.up), p.tokens, workspace.upRows.data() + place.firstRow);
        work += place.rows * w.gate.n * w.gate.k * 2;
    }

    const bool alone = pool.runsInline(work);
    const std::int64_t width = stripWidth(pool, work, [&](std::int64_t panels) {
        std::int64_t strips = 0;
        for (const FfnGroup& group : p.groups) strips += Strips(group.weights->gate, panels).count;
        return strips;
    });
    const std::vector<Piece> pieces = cutPieces(p, productPieceUnits(pool, work, work), width);
    const auto count = static_cast<std::int64_t>(pieces.size());
    pool.parallelFor(count, alone ? count : 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const Piece& piece = pieces[static_cast<std::size_t>(i)];
            const FfnWeights& w = *p.groups[piece.group].weights;
            const FfnWorkspace::Place& place = workspace.places[piece.group];
            gateUp(kernels, w, Strips(w.gate, width), piece.begin, piece.end,
                   workspace.gateRows.data() + place.firstRow, workspace.upRows.data() + place.firstRow, place.rows,
                   workspace.active.data() + place.active);
        }
    });

    prepareDown(kernels, pool, workspace, p, rows);
    const WeightView& anyDown = p.groups.front().weights->down;  // all have H outputs, so they are cut alike
    const Strips strips(anyDown,
                        stripWidth(pool, work / 2, [&](std::int64_t panels) { return Strips(anyDown, panels).count; }));
    pool.parallelFor(strips.count, productPieceUnits(pool, strips.count, work / 2),
                     [&](std::int64_t begin, std::int64_t end) { down(kernels, p, workspace, strips, begin, end); });
}

}  // namespace step3::kernels
