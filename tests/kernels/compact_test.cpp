// CompactBF16 panels: every BF16 number is kept, and products are those of BF16 panels.

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "kernels/cpu/convert.h"
#include "kernels/gemm/linear.h"
#include "kernels/gemm/panels.h"

using namespace step3::kernels;

namespace {

constexpr std::int64_t kRows = 53;
constexpr std::int64_t kValues = 523;

/// A matrix of BF16 rows.
struct Brains {
    Brains(std::int64_t n, std::int64_t k) : bits(static_cast<std::size_t>(n * k)) {
        view.dtype = DType::kBF16;
        view.n = n;
        view.k = k;
        view.data = bits.data();
    }
    void set(std::int64_t row, std::int64_t i, float value) {
        std::uint32_t word = 0;
        std::memcpy(&word, &value, sizeof word);
        bits[static_cast<std::size_t>(row * view.k + i)] = static_cast<std::uint16_t>(word >> 16U);
    }
    std::vector<std::uint16_t> bits;
    WeightView view;
};

/// Normally distributed weights; those of magnitude below `least` become it.
Brains normalBrains(std::uint32_t seed, float deviation, float least = 0.0F) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, deviation);
    Brains made(kRows, kValues);
    for (std::int64_t row = 0; row < kRows; ++row) {
        for (std::int64_t i = 0; i < kValues; ++i) {
            const float value = normal(random);
            made.set(row, i, std::copysign(std::max(std::abs(value), least), value));
        }
    }
    return made;
}

struct Packed {
    std::vector<std::uint8_t> bytes;
    WeightView view;
    bool fits = false;
};

Packed packed(const Brains& brains, DType dtype) {
    Packed made;
    made.bytes.resize(static_cast<std::size_t>(panelMatrixBytes(dtype, brains.view.n, brains.view.k)) + 64);
    made.view = brains.view;
    made.view.dtype = dtype;
    made.view.layout = Layout::kPanels;
    made.view.data = made.bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(made.bytes.data()) % 64) % 64;
    const std::int64_t panels = panelsOf(brains.view.n);
    if (dtype == DType::kCompactBF16) {
        made.fits = packCompactPanels(brains.view, made.view, 0, panels);
    } else {
        packPanels(activeKernels(), brains.view, made.view, 0, panels);
    }
    return made;
}

void requireSame(const Brains& brains, const Packed& panels) {
    REQUIRE(panels.fits);
    std::vector<float> found(static_cast<std::size_t>(brains.view.k));
    for (std::int64_t row = 0; row < brains.view.n; ++row) {
        unpackRow(panels.view, row, found.data());
        for (std::int64_t i = 0; i < brains.view.k; ++i) {
            const float expected = bf16ToFloat(brains.bits[static_cast<std::size_t>(row * brains.view.k + i)]);
            const float value = found[static_cast<std::size_t>(i)];
            INFO("row " << row << " value " << i << " expected " << expected << " found " << value);
            REQUIRE((value == expected || (std::isnan(value) && std::isnan(expected))));
        }
    }
}

std::vector<float> product(const KernelTable& kernels, const WeightView& w, const std::vector<float>& x) {
    ThreadPool pool(1);
    const auto m = static_cast<std::int64_t>(x.size()) / w.k;
    std::vector<float> y(static_cast<std::size_t>(m * w.n), NAN);
    linear(kernels, pool, x.data(), m, w, nullptr, y.data());
    return y;
}

std::vector<float> activations(std::int64_t m) {
    std::mt19937 random(9);
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<std::size_t>(m * kValues));
    for (float& value : x) value = normal(random);
    return x;
}

}  // namespace

TEST_CASE("compact panels take three quarters of the memory") {
    for (const std::int64_t k : {512, 1024, 2048, 5120, 7168}) {
        const double ratio =
            static_cast<double>(panelBytes(DType::kCompactBF16, k)) / static_cast<double>(panelBytes(DType::kBF16, k));
        CHECK(ratio < 0.76);
        CHECK(panelBytes(DType::kCompactBF16, k) % 64 == 0);
    }
}

TEST_CASE("numbers outside a compact panel's range are kept as exceptions") {
    for (const float deviation : {1e-25F, 0.02F, 1.0F, 1e15F}) {
        Brains brains = normalBrains(1, deviation);
        brains.set(0, 0, 0.0F);
        brains.set(1, 1, -0.0F);
        brains.set(2, 2, 1e-39F);  // subnormal
        brains.set(17, 3, std::numeric_limits<float>::infinity());
        brains.set(18, 522, -3e38F);
        brains.set(52, 0, std::numeric_limits<float>::quiet_NaN());
        brains.set(52, 522, 1e-20F * deviation);
        requireSame(brains, packed(brains, DType::kCompactBF16));
    }
}

TEST_CASE("a panel whose largest number is far from the others has their range") {
    Brains brains = normalBrains(2, 0.02F);
    brains.set(40, 100, 3e4F);
    requireSame(brains, packed(brains, DType::kCompactBF16));
}

TEST_CASE("a panel of zeros and one of a single order are compact") {
    Brains brains(kRows, kValues);
    requireSame(brains, packed(brains, DType::kCompactBF16));
    for (std::int64_t i = 0; i < kValues; ++i) brains.set(5, i, i % 2 == 0 ? 0.5F : -0.7F);
    requireSame(brains, packed(brains, DType::kCompactBF16));
}

TEST_CASE("numbers of too many orders do not become compact panels") {
    std::mt19937 random(3);
    Brains brains(kRows, kValues);
    for (std::uint16_t& bits : brains.bits) bits = static_cast<std::uint16_t>(random());
    CHECK_FALSE(packed(brains, DType::kCompactBF16).fits);
}

TEST_CASE("products with compact panels are bit for bit those with BF16 panels where all numbers have codes") {
    const Brains brains = normalBrains(4, 0.5F, 0x1p-11F);
    const Packed compact = packed(brains, DType::kCompactBF16);
    const Packed plain = packed(brains, DType::kBF16);
    REQUIRE(compact.fits);
    for (const Isa isa : kAllIsas) {
        if (!isaAvailable(isa)) {
            WARN("skipped: this machine has no " << isaName(isa));
            continue;
        }
        for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 12, 13, 40}) {
            INFO(isaName(isa) << " m " << m);
            const std::vector<float> x = activations(m);
            CHECK(product(kernelTable(isa), compact.view, x) == product(kernelTable(isa), plain.view, x));
        }
    }
}

TEST_CASE("exceptions take part in products") {
    Brains brains = normalBrains(5, 0.02F);
    for (std::int64_t i = 0; i < 12; ++i) brains.set(20, 40 * i, i % 2 == 0 ? 300.0F : 1e-9F);
    const Packed compact = packed(brains, DType::kCompactBF16);
    const Packed plain = packed(brains, DType::kBF16);
    REQUIRE(compact.fits);
    for (const Isa isa : kAllIsas) {
        if (!isaAvailable(isa)) continue;
        for (const std::int64_t m : {1, 3, 14}) {
            const std::vector<float> x = activations(m);
            const std::vector<float> found = product(kernelTable(isa), compact.view, x);
            const std::vector<float> expected = product(kernelTable(isa), plain.view, x);
            for (std::size_t i = 0; i < found.size(); ++i) {
                INFO(isaName(isa) << " m " << m << " at " << i);
                CHECK(found[i] == Approx(expected[i]).margin(1e-3).epsilon(1e-5));
            }
        }
    }
}
