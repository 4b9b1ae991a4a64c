#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/moe/grouped_ffn.h"

namespace step3::kernels {
namespace {

std::vector<double> product(const WeightView& w, const std::vector<double>& x) {
    std::vector<float> row(static_cast<std::size_t>(w.k));
    std::vector<double> y(static_cast<std::size_t>(w.n));
    for (std::int64_t o = 0; o < w.n; ++o) {
        widenRow(w, o, row.data());
        for (std::size_t i = 0; i < row.size(); ++i)
            y[static_cast<std::size_t>(o)] += x[i] * static_cast<double>(row[i]);
    }
    return y;
}

}  // namespace

void groupedFfnReference(const GroupedFfnParams& p) {
    std::vector<double> sums(static_cast<std::size_t>(p.tokens * p.hidden));
    if (p.accumulate) std::copy_n(p.out, sums.size(), sums.begin());
    for (const FfnGroup& group : p.groups) {
        const std::int64_t rows = group.tokens.empty() ? p.tokens : static_cast<std::int64_t>(group.tokens.size());
        for (std::int64_t r = 0; r < rows; ++r) {
            const std::int64_t token = group.tokens.empty() ? r : group.tokens[static_cast<std::size_t>(r)];
            const double factor = group.tokens.empty() ? 1.0 : group.factors[static_cast<std::size_t>(r)];
            const std::vector<double> x(p.x + token * p.hidden, p.x + (token + 1) * p.hidden);
            std::vector<double> gate = product(group.weights->gate, x);
            const std::vector<double> up = product(group.weights->up, x);
            for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1.0 + std::exp(-gate[i])) * up[i];
            const std::vector<double> y = product(group.weights->down, gate);
            for (std::size_t i = 0; i < y.size(); ++i)
                sums[static_cast<std::size_t>(token * p.hidden) + i] += factor * y[i];
        }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) p.out[i] = static_cast<float>(sums[i]);
}

}  // namespace step3::kernels
