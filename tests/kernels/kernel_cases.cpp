#include "tests/kernels/kernel_cases.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/convert.h"

namespace step3::test {

using kernels::DType;

std::vector<float> randomFloats(Rng& rng, std::int64_t count, float deviation) {
    std::normal_distribution<float> normal(0.0F, deviation);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal(rng);
    return values;
}

const char* dtypeName(DType dtype) {
    switch (dtype) {
        case DType::kF32: return "F32";
        case DType::kF16: return "F16";
        case DType::kBF16: return "BF16";
        case DType::kE4M3: return "E4M3";
        default: return "another";
    }
}

Matrix randomMatrix(Rng& rng, DType dtype, std::int64_t n, std::int64_t k, float deviation, std::int64_t blockN,
                    std::int64_t blockK) {
    Matrix m;
    const std::int64_t count = n * k;
    m.bytes.resize(static_cast<std::size_t>(count) * kernels::bytesPerElement(dtype));
    const std::vector<float> values = randomFloats(rng, count, deviation);
    for (std::int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (dtype == DType::kF32) {
            std::memcpy(m.bytes.data() + at * 4, &values[at], 4);
        } else if (dtype == DType::kBF16) {
            const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values[at]) >> 16U);
            std::memcpy(m.bytes.data() + at * 2, &bits, 2);
        } else if (dtype == DType::kF16) {
            // A random sign and mantissa, exponents that give about the wanted size, now and then a subnormal.
            const int exponent = rng() % 16 == 0 ? 0 : 15 + std::ilogb(deviation) - static_cast<int>(rng() % 4);
            const auto bits = static_cast<std::uint16_t>((rng() & 0x83FFU) | static_cast<unsigned>(exponent) << 10U);
            std::memcpy(m.bytes.data() + at * 2, &bits, 2);
        } else {
            auto code = static_cast<unsigned char>(rng());
            if ((code & 0x7FU) == 0x7FU) code ^= 1U;  // NaN
            m.bytes[at] = code;
        }
    }
    m.view = {m.bytes.data(), dtype, n, k, nullptr, 0, blockN, blockK};
    if (dtype == DType::kE4M3) {
        m.view.scaleStride = (k + blockK - 1) / blockK;
        m.scales.resize(static_cast<std::size_t>((n + blockN - 1) / blockN * m.view.scaleStride));
        std::uniform_real_distribution<float> scale(0.001F * deviation, 0.02F * deviation);
        for (float& s : m.scales) s = scale(rng);
        m.view.scaleInv = m.scales.data();
    }
    return m;
}

Matrix absolute(const kernels::WeightView& w) {
    Matrix m;
    m.bytes.resize(static_cast<std::size_t>(w.n * w.k) * 4);
    std::vector<float> row(static_cast<std::size_t>(w.k));
    for (std::int64_t o = 0; o < w.n; ++o) {
        kernels::widenRow(w, o, row.data());
        for (float& value : row) value = std::abs(value);
        std::memcpy(m.bytes.data() + static_cast<std::size_t>(o * w.k) * 4, row.data(), row.size() * 4);
    }
    m.view = {m.bytes.data(), DType::kF32, w.n, w.k};
    return m;
}

double worstExcess(const std::vector<float>& found, const std::vector<float>& expected, const std::vector<float>& scale,
                   double tolerance) {
    if (found.size() != expected.size() || scale.size() != expected.size())
        return std::numeric_limits<double>::infinity();
    double worst = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double excess = std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i])) -
                              tolerance * static_cast<double>(scale[i]);
        worst = std::isnan(excess) ? std::numeric_limits<double>::infinity() : std::max(worst, excess);
    }
    return worst;
}

double worstDifference(const std::vector<float>& found, const std::vector<float>& expected) {
    const std::vector<float> none(expected.size(), 0.0F);
    return std::max(0.0, worstExcess(found, expected, none, 0.0));
}

}  // namespace step3::test
