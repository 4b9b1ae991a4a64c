#include "kernels/norm/rms_norm.h"

#include <cmath>

#include "kernels/cpu/work_split.h"

namespace step3::kernels {

void rmsNorm(const KernelTable& kernels, ThreadPool& pool, const RmsNormParams& p) {
    pool.parallelFor(p.rows, pieceUnits(p.rows, 2 * p.width, pool.threads()),
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t t = begin; t < end; ++t) {
                             kernels.rmsNorm(p.x + t * p.width, p.w, p.width, p.eps, p.out + t * p.width);
                         }
                     });
}

void rmsNormReference(const RmsNormParams& p) {
    for (std::int64_t t = 0; t < p.rows; ++t) {
        const float* x = p.x + t * p.width;
        double squares = 0;
        for (std::int64_t i = 0; i < p.width; ++i) squares += static_cast<double>(x[i]) * x[i];
        const double factor = 1.0 / std::sqrt(squares / static_cast<double>(p.width) + static_cast<double>(p.eps));
        for (std::int64_t i = 0; i < p.width; ++i) {
            p.out[t * p.width + i] = static_cast<float>(static_cast<double>(p.w[i]) * x[i] * factor);
        }
    }
}

}  // namespace step3::kernels
