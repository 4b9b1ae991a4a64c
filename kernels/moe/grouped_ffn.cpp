#include "kernels/moe/grouped_ffn.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/work_split.h"
#include "kernels/gemm/row_group.h"

namespace step3::kernels {
namespace {

/// Where a group's rows lie in the workspace.
struct GroupPlace {
    const float* x;        // [rows, H], gathered unless the group has all tokens or a single one
    float* gate;           // [rows, F]
    float* up;             // [rows, F]
    std::int64_t rows;     // tokens of the group
    std::int64_t ffn;      // F
    std::int64_t firstUp;  // number of the group's first unit in the gate-and-up loop
    std::int64_t units;    // its units there: pairs of gate rows with their up rows
};

std::int64_t rowsOf(const FfnGroup& group, std::int64_t tokens) {
    return group.tokens.empty() ? tokens : static_cast<std::int64_t>(group.tokens.size());
}

std::vector<GroupPlace> place(FfnWorkspace& workspace, const GroupedFfnParams& p) {
    std::vector<GroupPlace> places;
    places.reserve(p.groups.size());
    std::size_t gathered = 0;
    std::size_t active = 0;
    for (const FfnGroup& group : p.groups) {
        const std::int64_t rows = rowsOf(group, p.tokens);
        if (group.tokens.size() > 1) gathered += static_cast<std::size_t>(rows * p.hidden);
        active += static_cast<std::size_t>(rows * group.weights->gate.n);
    }
    if (workspace.gathered.size() < gathered) workspace.gathered.resize(gathered);
    if (workspace.gate.size() < active) workspace.gate.resize(active);
    if (workspace.up.size() < active) workspace.up.resize(active);

    float* nextX = workspace.gathered.data();
    std::int64_t offset = 0;
    std::int64_t unit = 0;
    for (const FfnGroup& group : p.groups) {
        GroupPlace at{};
        at.rows = rowsOf(group, p.tokens);
        at.ffn = group.weights->gate.n;
        at.x = p.x;
        if (group.tokens.size() == 1) at.x = p.x + group.tokens.front() * p.hidden;
        if (group.tokens.size() > 1) {
            at.x = nextX;
            nextX += at.rows * p.hidden;
        }
        at.gate = workspace.gate.data() + offset;
        at.up = workspace.up.data() + offset;
        at.firstUp = unit;
        at.units = (at.ffn + 1) / 2;
        offset += at.rows * at.ffn;
        unit += at.units;
        places.push_back(at);
    }
    return places;
}

void gather(ThreadPool& pool, const GroupedFfnParams& p, std::span<const GroupPlace> places) {
    std::int64_t work = 0;
    for (const FfnGroup& group : p.groups) {
        if (group.tokens.size() > 1) work += static_cast<std::int64_t>(group.tokens.size()) * p.hidden;
    }
    if (work == 0) return;
    const auto groups = static_cast<std::int64_t>(places.size());
    pool.parallelFor(
        groups, pieceUnits(groups, work / groups, pool.threads()), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t g = begin; g < end; ++g) {
                const auto& tokens = p.groups[static_cast<std::size_t>(g)].tokens;
                if (tokens.size() <= 1) continue;
                // The group's own part of the workspace; `place` handed it out as read-only x.
                auto* to = const_cast<float*>(places[static_cast<std::size_t>(g)].x);
                for (const std::int32_t token : tokens) {
                    std::memcpy(to, p.x + token * p.hidden, static_cast<std::size_t>(p.hidden) * sizeof(float));
                    to += p.hidden;
                }
            }
        });
}

/// Units [begin, end) of one group: rows i and i + h of gate and of up, h = ceil(F / 2), four streams far apart.
void gateUp(const KernelTable& kernels, const FfnWeights& w, const GroupPlace& at, std::int64_t begin,
            std::int64_t end) {
    const std::int64_t half = at.units;
    const std::int64_t hidden = w.gate.k;
    const std::int64_t block = rowBlock(hidden);
    float sums[kMostRowBlock * 4];
    for (std::int64_t t0 = 0; t0 < at.rows; t0 += block) {
        const std::int64_t rows = std::min(block, at.rows - t0);
        for (std::int64_t i = begin; i < end; ++i) {
            RowGroup group;
            setRow(group, 0, w.gate, i);
            setRow(group, 1, w.gate, i + half);
            setRow(group, 2, w.up, i);
            setRow(group, 3, w.up, i + half);
            const float* x = at.x + t0 * hidden;
            if (w.gate.dtype == w.up.dtype) {
                kernels.dotRows(w.gate.dtype, x, hidden, rows, group, hidden, w.gate.blockK, sums, 4);
            } else {  // each format computes all four rows; the wrong two are overwritten
                const RowGroup gateRows{{group.row[0], group.row[1], group.row[0], group.row[1]},
                                        {group.scale[0], group.scale[1], group.scale[0], group.scale[1]}};
                const RowGroup upRows{{group.row[2], group.row[3], group.row[2], group.row[3]},
                                      {group.scale[2], group.scale[3], group.scale[2], group.scale[3]}};
                float other[kMostRowBlock * 4];
                kernels.dotRows(w.gate.dtype, x, hidden, rows, gateRows, hidden, w.gate.blockK, sums, 4);
                kernels.dotRows(w.up.dtype, x, hidden, rows, upRows, hidden, w.up.blockK, other, 4);
                for (std::int64_t t = 0; t < rows; ++t) std::memcpy(sums + t * 4 + 2, other + t * 4, 2 * sizeof(float));
            }
            for (std::int64_t t = 0; t < rows; ++t) {
                const std::int64_t row = (t0 + t) * at.ffn;
                at.gate[row + i] = sums[t * 4];
                at.up[row + i] = sums[t * 4 + 2];
                if (i + half < at.ffn) {
                    at.gate[row + i + half] = sums[t * 4 + 1];
                    at.up[row + i + half] = sums[t * 4 + 3];
                }
            }
        }
        for (std::int64_t t = t0; t < t0 + rows; ++t) {
            for (const std::int64_t first : {begin, begin + half}) {
                const std::int64_t from = t * at.ffn + first;
                const std::int64_t count = std::min(first + end - begin, at.ffn) - first;
                if (count > 0) kernels.siluMul(at.gate + from, at.up + from, count, at.gate + from);
            }
        }
    }
}

/// Columns i, i + q, i + 2q, i + 3q of the output, q = ceil(H / 4), for all groups in order.
void down(const KernelTable& kernels, const GroupedFfnParams& p, std::span<const GroupPlace> places, std::int64_t begin,
          std::int64_t end) {
    const std::int64_t quarter = (p.hidden + 3) / 4;
    float sums[kMostRowBlock * 4];
    bool first = true;
    if (!p.groups.front().tokens.empty()) {  // no group of all tokens to start from
        first = false;
        for (std::int64_t t = 0; t < p.tokens; ++t) {
            for (int j = 0; j < 4; ++j) {
                const std::int64_t from = begin + j * quarter;
                const std::int64_t to = std::min(end + j * quarter, p.hidden);
                for (std::int64_t o = from; o < to; ++o) p.out[t * p.hidden + o] = 0.0F;
            }
        }
    }
    for (std::size_t g = 0; g < places.size(); ++g) {
        const GroupPlace& at = places[g];
        const FfnGroup& members = p.groups[g];
        const WeightView& w = members.weights->down;
        const std::int64_t block = rowBlock(w.k);
        for (std::int64_t t0 = 0; t0 < at.rows; t0 += block) {
            const std::int64_t rows = std::min(block, at.rows - t0);
            for (std::int64_t i = begin; i < end; ++i) {
                RowGroup group;
                for (int j = 0; j < 4; ++j) setRow(group, j, w, i + j * quarter);
                kernels.dotRows(w.dtype, at.gate + t0 * w.k, w.k, rows, group, w.k, w.blockK, sums, 4);
                for (std::int64_t t = 0; t < rows; ++t) {
                    const auto member = static_cast<std::size_t>(t0 + t);
                    const std::int64_t token = members.tokens.empty() ? t0 + t : members.tokens[member];
                    const float factor = members.tokens.empty() ? 1.0F : members.factors[member];
                    float* out = p.out + token * p.hidden;
                    for (int j = 0; j < 4; ++j) {
                        const std::int64_t o = i + j * quarter;
                        if (o >= p.hidden) break;
                        const float value = factor * sums[t * 4 + j];
                        out[o] = first ? value : out[o] + value;
                    }
                }
            }
        }
        first = false;
    }
}

}  // namespace

void groupedFfn(const KernelTable& kernels, ThreadPool& pool, FfnWorkspace& workspace, const GroupedFfnParams& p) {
    if (p.tokens <= 0 || p.groups.empty()) return;
    const std::vector<GroupPlace> places = place(workspace, p);
    gather(pool, p, places);

    // Pieces of the gate-and-up loop hold about equal work; groups differ in rows, so pieces differ in units.
    struct Piece {
        std::size_t group;
        std::int64_t begin;
        std::int64_t end;
    };
    std::int64_t total = 0;
    for (const GroupPlace& at : places) total += at.units * at.rows * 4 * p.hidden;
    const std::int64_t share = pieceUnits(total, 1, pool.threads());
    std::vector<Piece> pieces;
    for (std::size_t g = 0; g < places.size(); ++g) {
        const std::int64_t units = std::max<std::int64_t>(1, share / (places[g].rows * 4 * p.hidden));
        for (std::int64_t begin = 0; begin < places[g].units; begin += units) {
            pieces.push_back({g, begin, std::min(begin + units, places[g].units)});
        }
    }
    const auto count = static_cast<std::int64_t>(pieces.size());
    pool.parallelFor(count, share >= total ? count : 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const Piece& piece = pieces[static_cast<std::size_t>(i)];
            gateUp(kernels, *p.groups[piece.group].weights, places[piece.group], piece.begin, piece.end);
        }
    });

    const std::int64_t columns = (p.hidden + 3) / 4;
    std::int64_t columnWork = 0;
    for (const GroupPlace& at : places) columnWork += at.rows * at.ffn * 4;
    pool.parallelFor(columns, pieceUnits(columns, columnWork, pool.threads()),
                     [&](std::int64_t begin, std::int64_t end) { down(kernels, p, places, begin, end); });
}

}  // namespace step3::kernels
