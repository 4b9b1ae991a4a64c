#pragma once

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "kernels/cpu/dtype.h"
#include "kernels/cpu/isa.h"

namespace step3::test {

/// Runs `body(isa)` for every instruction set this machine has. One that is absent is told on standard error and
/// counts as nothing passed.
template <typename Body>
void onEveryIsa(Body body) {
    int run = 0;
    for (const kernels::Isa isa : kernels::kAllIsas) {
        if (!kernels::isaAvailable(isa)) {
            std::cerr << Catch::getResultCapture().getCurrentTestName() << ": " << kernels::isaName(isa)
                      << " skipped: ISA absent\n";
            continue;
        }
        INFO("instruction set " << kernels::isaName(isa));
        body(isa);
        ++run;
    }
    REQUIRE(run > 0);  // scalar runs everywhere
}

/// For a ThreadPool that cuts small products too.
inline constexpr std::int64_t kSplitAll = 0;

using Rng = std::mt19937;

/// Values of a normal distribution.
std::vector<float> randomFloats(Rng& rng, std::int64_t count, float deviation = 1.0F);

/// A weight matrix that owns its memory.
struct Matrix {
    std::vector<unsigned char> bytes;
    std::vector<float> scales;
    kernels::WeightView view;
};

inline constexpr kernels::DType kWeightTypes[] = {kernels::DType::kF32, kernels::DType::kF16, kernels::DType::kBF16,
                                                  kernels::DType::kE4M3};
const char* dtypeName(kernels::DType dtype);

/// Random finite weights W[n, k] about `deviation` large; E4M3 with block scales (`blockN`, `blockK`), any finite code.
Matrix randomMatrix(Rng& rng, kernels::DType dtype, std::int64_t n, std::int64_t k, float deviation = 1.0F,
                    std::int64_t blockN = 128, std::int64_t blockK = 128);

/// The matrix with absolute values, in float32: what rounding errors are measured against.
Matrix absolute(const kernels::WeightView& w);

/// Largest |a - b| - tolerance * scale over all elements; not positive if all agree. NaN counts as infinite.
double worstExcess(const std::vector<float>& found, const std::vector<float>& expected, const std::vector<float>& scale,
                   double tolerance);
/// Largest |a - b|; NaN and different sizes count as infinite.
double worstDifference(const std::vector<float>& found, const std::vector<float>& expected);

}  // namespace step3::test
