#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/gemm/linear.h"

namespace step3::kernels {

void linearReference(const float* x, std::int64_t m, const WeightView& w, const float* bias, float* y) {
    std::vector<float> row(static_cast<std::size_t>(w.k));
    for (std::int64_t o = 0; o < w.n; ++o) {
        widenRow(w, o, row.data());
        for (std::int64_t t = 0; t < m; ++t) {
            double sum = bias == nullptr ? 0.0 : bias[o];
            for (std::int64_t i = 0; i < w.k; ++i) {
                sum += static_cast<double>(x[t * w.k + i]) * static_cast<double>(row[static_cast<std::size_t>(i)]);
            }
            y[t * w.n + o] = static_cast<float>(sum);
        }
    }
}

}  // namespace step3::kernels
