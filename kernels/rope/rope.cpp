#include "kernels/rope/rope.h"

#include <cmath>

#include "kernels/cpu/work_split.h"

namespace step3::kernels {

RopeTable::RopeTable(double theta, std::int64_t headDim) : half_(headDim / 2) {
    for (std::int64_t i = 0; i < half_; ++i) {
        const float exponent = static_cast<float>(2 * i) / static_cast<float>(headDim);
        inverseFrequency_.push_back(1.0F / std::pow(static_cast<float>(theta), exponent));
    }
}

void RopeTable::setPositions(ThreadPool& pool, std::span<const std::int64_t> positions) {
    const auto rows = static_cast<std::int64_t>(positions.size());
    cosines_.resize(static_cast<std::size_t>(rows * half_));
    sines_.resize(static_cast<std::size_t>(rows * half_));
    constexpr std::int64_t kSinCosWork = 32;  // about as long as this many multiply-adds
    pool.parallelFor(rows, pieceUnits(rows, kSinCosWork * half_, pool.threads()),
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t t = begin; t < end; ++t) {
                             const auto position = static_cast<float>(positions[static_cast<std::size_t>(t)]);
                             for (std::int64_t i = 0; i < half_; ++i) {
                                 const float angle = position * inverseFrequency_[static_cast<std::size_t>(i)];
                                 cosines_[static_cast<std::size_t>(t * half_ + i)] = std::cos(angle);
                                 sines_[static_cast<std::size_t>(t * half_ + i)] = std::sin(angle);
                             }
                         }
                     });
}

void rope(const KernelTable& kernels, ThreadPool& pool, const RopeParams& p) {
    const std::int64_t half = p.table->half();
    const std::int64_t width = p.heads * half * 2;
    pool.parallelFor(p.tokens, pieceUnits(p.tokens, 2 * width, pool.threads()),
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t t = begin; t < end; ++t) {
                             const float* cosines = p.table->cosines(p.firstRow + t);
                             const float* sines = p.table->sines(p.firstRow + t);
                             for (std::int64_t h = 0; h < p.heads; ++h)
                                 kernels.rope(p.x + t * width + h * half * 2, cosines, sines, half);
                         }
                     });
}

void ropeReference(const RopeParams& p) {
    const std::int64_t half = p.table->half();
    for (std::int64_t row = 0; row < p.tokens * p.heads; ++row) {
        const float* cosines = p.table->cosines(p.firstRow + row / p.heads);
        const float* sines = p.table->sines(p.firstRow + row / p.heads);
        float* x = p.x + row * half * 2;
        for (std::int64_t i = 0; i < half; ++i) {
            const double a = x[i];
            const double b = x[i + half];
            x[i] = static_cast<float>(a * cosines[i] - b * sines[i]);
            x[i + half] = static_cast<float>(b * cosines[i] + a * sines[i]);
        }
    }
}

}  // namespace step3::kernels
