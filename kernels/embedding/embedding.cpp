#include "kernels/embedding/embedding.h"

#include "kernels/cpu/convert.h"
#include "kernels/cpu/work_split.h"
#include "kernels/gemm/row_group.h"

namespace step3::kernels {

void embedRows(const KernelTable& kernels, ThreadPool& pool, const EmbeddingParams& p) {
    const auto rows = static_cast<std::int64_t>(p.ids.size());
    const std::int64_t width = p.table.k;
    pool.parallelFor(rows, pieceUnits(rows, width, pool.threads()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) {
            RowGroup group;
            setRow(group, 0, p.table, p.ids[static_cast<std::size_t>(t)]);
            kernels.widenRow(p.table.dtype, group.row[0], group.scale[0], width, p.table.blockK, p.out + t * width);
        }
    });
}

void embedRowsReference(const EmbeddingParams& p) {
    float* out = p.out;
    for (const std::int32_t id : p.ids) {
        widenRow(p.table, id, out);
        out += p.table.k;
    }
}

}  // namespace step3::kernels
