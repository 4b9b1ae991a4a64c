// Panel layouts and the products with them, for every instruction set this machine has, over odd sizes.

#include "kernels/gemm/panels.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "kernels/cpu/convert.h"
#include "kernels/gemm/group_rows.h"
#include "kernels/gemm/linear.h"

using namespace step3::kernels;

namespace {

struct Rows {
    std::vector<std::uint8_t> bytes;
    std::vector<float> scales;
    WeightView view;
};

Rows randomRows(DType dtype, std::int64_t n, std::int64_t k, std::mt19937& random, std::int64_t blockN = 128,
                std::int64_t blockK = 128) {
    Rows rows;
    rows.view.dtype = dtype;
    rows.view.n = n;
    rows.view.k = k;
    rows.view.blockN = blockN;
    rows.view.blockK = blockK;
    std::normal_distribution<float> normal(0.0F, 0.5F);
    if (dtype == DType::kBF16) {
        rows.bytes.resize(static_cast<std::size_t>(2 * n * k));
        for (std::int64_t i = 0; i < n * k; ++i) {
            const float value = normal(random);
            std::uint32_t bits = 0;
            std::memcpy(&bits, &value, 4);
            const auto half = static_cast<std::uint16_t>(bits >> 16U);
            std::memcpy(rows.bytes.data() + 2 * i, &half, 2);
        }
    } else {
        rows.bytes.resize(static_cast<std::size_t>(n * k));
        for (auto& code : rows.bytes) {
            do code = static_cast<std::uint8_t>(random());
            while ((code & 0x7FU) == 0x7FU);
        }
        rows.view.scaleStride = (k + blockK - 1) / blockK;
        rows.scales.resize(static_cast<std::size_t>((n + blockN - 1) / blockN * rows.view.scaleStride));
        for (float& scale : rows.scales) scale = 0.001F + 0.01F * std::abs(normal(random));
        rows.view.scaleInv = rows.scales.data();
    }
    rows.view.data = rows.bytes.data();
    return rows;
}

struct Panels {
    std::vector<std::uint8_t> bytes;
    WeightView view;
};

Panels pack(const KernelTable& kernels, const WeightView& rows, DType dtype) {
    Panels panels;
    const std::int64_t bytes = panelMatrixBytes(dtype, rows.n, rows.k);
    panels.bytes.resize(static_cast<std::size_t>(bytes) + 64);
    auto* data = panels.bytes.data();
    data += (64 - reinterpret_cast<std::uintptr_t>(data) % 64) % 64;
    const std::int64_t half = panelsOf(rows.n) / 2;
    panels.view = rows;
    panels.view.data = data;
    panels.view.dtype = dtype;
    panels.view.layout = Layout::kPanels;
    if (dtype != DType::kE4M3) panels.view.scaleInv = nullptr;
    if (dtype == DType::kCompactBF16) {
        REQUIRE(packCompactPanels(rows, panels.view, half, panelsOf(rows.n)));
        REQUIRE(packCompactPanels(rows, panels.view, 0, half));
        return panels;
    }
    packPanels(kernels, rows, panels.view, half, panelsOf(rows.n));
    packPanels(kernels, rows, panels.view, 0, half);
    return panels;
}

std::vector<float> randomFloats(std::int64_t count, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal(random);
    return values;
}

std::vector<Isa> isas() {
    std::vector<Isa> found;
    for (const Isa isa : kAllIsas) {
        if (isaAvailable(isa)) {
            found.push_back(isa);
        } else {
            WARN("skipped: this machine has no " << isaName(isa));
        }
    }
    return found;
}

const std::vector<std::pair<std::int64_t, std::int64_t>> kSizes{{1, 1},    {16, 64},   {17, 63},  {40, 130},
                                                                {67, 257}, {130, 300}, {96, 1030}};

}  // namespace

TEST_CASE("panels keep every BF16 and E4M3 value") {
    std::mt19937 random(1);
    for (const DType dtype : {DType::kBF16, DType::kE4M3, DType::kCompactBF16}) {
        for (const auto& [n, k] : kSizes) {
            const Rows rows = randomRows(dtype == DType::kE4M3 ? dtype : DType::kBF16, n, k, random);
            REQUIRE(canPack(rows.view));
            const Panels panels = pack(kernelTable(Isa::kScalar), rows.view, dtype);
            std::vector<float> expected(static_cast<std::size_t>(k));
            std::vector<float> found(static_cast<std::size_t>(k));
            for (std::int64_t row = 0; row < n; ++row) {
                widenRow(rows.view, row, expected.data());
                unpackRow(panels.view, row, found.data());
                REQUIRE(found == expected);
            }
        }
    }
}

TEST_CASE("block sizes that do not suit panels are refused") {
    std::mt19937 random(2);
    CHECK_FALSE(canPack(randomRows(DType::kE4M3, 40, 40, random, 10, 128).view));
    CHECK_FALSE(canPack(randomRows(DType::kE4M3, 40, 40, random, 16, 10).view));
    CHECK_FALSE(canPack(randomRows(DType::kE4M3, 40, 1024, random, 16, 1024).view));
    CHECK(canPack(randomRows(DType::kE4M3, 40, 40, random, 16, 4).view));
    WeightView f32;
    CHECK_FALSE(canPack(f32));
}

TEST_CASE("group formats are within half a step of the weights") {
    std::mt19937 random(3);
    for (const Isa isa : isas()) {
        for (const auto& [dtype, levels] : {std::pair{DType::kInt8Group, 127.0F}, {DType::kInt4Group, 8.0F}}) {
            const Rows rows = randomRows(DType::kBF16, 33, 200, random);
            const Panels panels = pack(kernelTable(isa), rows.view, dtype);
            std::vector<float> expected(200);
            std::vector<float> found(200);
            double error = 0;
            double size = 0;
            for (std::int64_t row = 0; row < 33; ++row) {
                widenRow(rows.view, row, expected.data());
                unpackRow(panels.view, row, found.data());
                for (std::size_t i = 0; i < 200; ++i) {
                    float largest = 0;
                    for (std::size_t j = i / 32 * 32; j < std::min<std::size_t>(200, i / 32 * 32 + 32); ++j) {
                        largest = std::max(largest, std::abs(expected[j]));
                    }
                    // Int8: half a step, the scale rounded to BF16. Int4: the least-squares scale may cut the largest.
                    const float step = largest / levels;
                    CHECK(std::abs(found[i] - expected[i]) <= (dtype == DType::kInt8Group ? 0.76F : 1.6F) * step);
                    error += std::pow(static_cast<double>(found[i] - expected[i]), 2);
                    size += std::pow(static_cast<double>(expected[i]), 2);
                }
            }
            CHECK(std::sqrt(error / size) < (dtype == DType::kInt8Group ? 0.007 : 0.09));
        }
    }
}

namespace {

struct GroupRows {
    std::vector<std::uint8_t> codes;
    std::vector<std::uint16_t> scales;
    WeightView view;
};

GroupRows quantise(const KernelTable& kernels, const WeightView& rows, DType dtype, std::int64_t group) {
    GroupRows made;
    made.view.dtype = dtype;
    made.view.n = rows.n;
    made.view.k = rows.k;
    made.view.blockK = group;
    made.view.scaleStride = (rows.k + group - 1) / group;
    made.codes.resize(static_cast<std::size_t>(rows.n * rowBytes(dtype, rows.k)));
    made.scales.resize(static_cast<std::size_t>(rows.n * made.view.scaleStride));
    made.view.data = made.codes.data();
    made.view.groupScales = made.scales.data();
    REQUIRE(quantiseRows(kernels, rows, 0, rows.n, made.view) == -1);
    return made;
}

}  // namespace

TEST_CASE("rows in groups become the panels that the weights themselves become") {
    std::mt19937 random(7);
    ThreadPool pool(2, 0);
    for (const Isa isa : isas()) {
        const KernelTable& kernels = kernelTable(isa);
        for (const auto& [n, k] : kSizes) {
            const Rows rows = randomRows(DType::kBF16, n, k, random);
            for (const DType dtype : {DType::kInt8Group, DType::kInt4Group}) {
                for (const std::int64_t group : {32, 64, 128}) {
                    INFO(isaName(isa) << " format " << static_cast<int>(dtype) << " n " << n << " k " << k << " group "
                                      << group);
                    const GroupRows made = quantise(kernels, rows.view, dtype, group);
                    REQUIRE(canPack(made.view));
                    const Panels panels = pack(kernels, made.view, dtype);
                    const auto bytes = static_cast<std::size_t>(panelMatrixBytes(dtype, n, k));
                    if (group == 32) {
                        const Panels direct = pack(kernels, rows.view, dtype);
                        CHECK(std::memcmp(panels.view.data, direct.view.data, bytes) == 0);
                    }
                    std::vector<float> plain(static_cast<std::size_t>(k));
                    std::vector<float> vectors(plain.size());
                    std::vector<float> packed(plain.size());
                    for (std::int64_t row = 0; row < n; ++row) {
                        widenRow(made.view, row, plain.data());
                        widenStoredRow(kernels, made.view, row, vectors.data());
                        unpackRow(panels.view, row, packed.data());
                        REQUIRE(vectors == plain);
                        REQUIRE(packed == plain);
                    }
                    // Rows where they are, as in mapped files: activations stay float32.
                    for (const std::int64_t m : {1, 7}) {
                        const std::vector<float> x = randomFloats(m * k, random);
                        std::vector<float> expected(static_cast<std::size_t>(m * n));
                        std::vector<float> found(expected.size(), NAN);
                        linearReference(x.data(), m, made.view, nullptr, expected.data());
                        linear(kernels, pool, x.data(), m, made.view, nullptr, found.data());
                        for (std::size_t i = 0; i < found.size(); ++i)
                            CHECK(std::abs(found[i] - expected[i]) <= 1e-6 * static_cast<double>(k) + 1e-6);
                    }
                }
            }
        }
    }
}

TEST_CASE("quantising rows tells the first that is not finite") {
    std::mt19937 random(8);
    Rows rows = randomRows(DType::kBF16, 5, 40, random);
    GroupRows made = quantise(activeKernels(), rows.view, DType::kInt8Group, 32);
    const std::vector<std::uint8_t> before = made.codes;
    for (const std::uint16_t bits : {0x7F80, 0xFFC0}) {  // infinity, NaN
        std::memcpy(rows.bytes.data() + 2 * (3 * 40 + 39), &bits, 2);
        CHECK(quantiseRows(activeKernels(), rows.view, 0, 5, made.view) == 3);
        CHECK(std::equal(before.begin(), before.begin() + 3 * 40, made.codes.begin()));
    }
}

TEST_CASE("panel products agree with the plain loops for every instruction set") {
    std::mt19937 random(4);
    ThreadPool pool(2, 0);
    for (const Isa isa : isas()) {
        const KernelTable& kernels = kernelTable(isa);
        for (const auto& [n, k] : kSizes) {
            for (const DType dtype :
                 {DType::kBF16, DType::kCompactBF16, DType::kE4M3, DType::kInt8Group, DType::kInt4Group}) {
                const Rows rows = randomRows(dtype == DType::kE4M3 ? dtype : DType::kBF16, n, k, random);
                const Panels panels = pack(kernels, rows.view, dtype);
                const std::vector<float> bias = randomFloats(n, random);
                for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 12, 13, 25, 100}) {
                    const std::vector<float> x = randomFloats(m * k, random);
                    std::vector<float> expected(static_cast<std::size_t>(m * n));
                    std::vector<float> found(expected.size(), NAN);
                    linearReference(x.data(), m, panels.view, bias.data(), expected.data());
                    linear(kernels, pool, x.data(), m, panels.view, bias.data(), found.data());
                    // Rounding of float sums; the group formats also round activations to 1/254 of their group's range.
                    const bool groups = dtype == DType::kInt8Group || dtype == DType::kInt4Group;
                    double weight = 0.5;
                    if (dtype == DType::kE4M3) weight = 1.5;
                    const double tolerance =
                        (groups ? 0.03 : 2e-6) * weight * std::sqrt(static_cast<double>(k)) * 6 + 1e-6;
                    double worst = 0;
                    for (std::size_t i = 0; i < found.size(); ++i) {
                        worst = std::max(worst, std::isnan(found[i])
                                                    ? INFINITY
                                                    : std::abs(static_cast<double>(found[i]) - expected[i]));
                    }
                    INFO(isaName(isa) << " format " << static_cast<int>(dtype) << " m " << m << " n " << n << " k "
                                      << k);
                    CHECK(worst <= tolerance);
                }
            }
        }
    }
}

TEST_CASE("a row's result does not depend on the rows computed beside it") {
    std::mt19937 random(5);
    ThreadPool pool(1);
    const std::int64_t n = 83;
    const std::int64_t k = 1100;
    for (const Isa isa : isas()) {
        const KernelTable& kernels = kernelTable(isa);
        for (const DType dtype :
             {DType::kBF16, DType::kCompactBF16, DType::kE4M3, DType::kInt8Group, DType::kInt4Group}) {
            const Rows rows = randomRows(dtype == DType::kE4M3 ? dtype : DType::kBF16, n, k, random);
            const Panels panels = pack(kernels, rows.view, dtype);
            const std::int64_t m = 31;
            const std::vector<float> x = randomFloats(m * k, random);
            std::vector<float> together(static_cast<std::size_t>(m * n));
            linear(kernels, pool, x.data(), m, panels.view, nullptr, together.data());
            for (const std::int64_t part : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14}) {
                std::vector<float> parts(together.size());
                for (std::int64_t t = 0; t < m; t += part) {
                    linear(kernels, pool, x.data() + t * k, std::min(part, m - t), panels.view, nullptr,
                           parts.data() + t * n);
                }
                INFO(isaName(isa) << " format " << static_cast<int>(dtype) << " parts of " << part);
                CHECK(parts == together);
            }
        }
    }
}

TEST_CASE("float32 becomes the nearest e4m3 code") {
    for (unsigned code = 0; code < 256; ++code) {
        if ((code & 0x7FU) == 0x7FU) continue;
        const float value = e4m3ToFloat(static_cast<std::uint8_t>(code));
        CHECK(floatToE4m3(value) == code);
        if ((code & 0x7FU) == 0x7EU) continue;
        const float next = e4m3ToFloat(static_cast<std::uint8_t>(code + 1));
        const float middle = (value + next) / 2;
        CHECK(floatToE4m3(middle) == (code % 2 == 0 ? code : code + 1));
        CHECK(floatToE4m3(std::nextafter(middle, value)) == code);
        CHECK(floatToE4m3(std::nextafter(middle, next)) == code + 1);
    }
    CHECK(floatToE4m3(1e9F) == 0x7E);
    CHECK(floatToE4m3(-460.0F) == 0xFE);
}

TEST_CASE("BF16 weights quantised to E4M3 blocks are within half a step") {
    std::mt19937 random(6);
    const KernelTable& kernels = activeKernels();
    const Rows rows = randomRows(DType::kBF16, 150, 201, random);
    std::vector<float> scales(2 * 2);
    WeightView target = rows.view;
    target.dtype = DType::kE4M3;
    target.layout = Layout::kPanels;
    target.scaleStride = 2;
    e4m3Scales(kernels, rows.view, 128, 128, 0, 1, scales.data());
    e4m3Scales(kernels, rows.view, 128, 128, 1, 2, scales.data());
    target.scaleInv = scales.data();
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(panelMatrixBytes(DType::kE4M3, 150, 201)) + 64);
    target.data = bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64) % 64;
    packPanels(kernels, rows.view, target, 0, panelsOf(150));
    std::vector<float> expected(201);
    std::vector<float> found(201);
    for (std::int64_t row = 0; row < 150; ++row) {
        widenRow(rows.view, row, expected.data());
        unpackRow(target, row, found.data());
        for (std::size_t i = 0; i < 201; ++i) {
            const float scale = scales[static_cast<std::size_t>(row / 128 * 2) + i / 128];
            CHECK(std::abs(found[i] - expected[i]) <= std::max(std::abs(expected[i]) / 16.0F, scale * 0x1p-10F));
        }
    }
}
