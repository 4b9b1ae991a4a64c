#include "kernels/gemm/linear.h"

#include <cmath>

#include "kernels/cpu/convert.h"
#include "kernels/embedding/embedding.h"
#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

namespace {

std::vector<float> product(Isa isa, ThreadPool& pool, const std::vector<float>& x, std::int64_t m, const WeightView& w,
                           const float* bias = nullptr) {
    std::vector<float> y(static_cast<std::size_t>(m * w.n), std::nanf(""));
    linear(kernelTable(isa), pool, x.data(), m, w, bias, y.data());
    return y;
}

std::vector<float> absolute(std::vector<float> values) {
    for (float& value : values) value = std::abs(value);
    return values;
}

}  // namespace

TEST_CASE("linear agrees with the reference over odd sizes, formats and instruction sets") {
    struct Size {
        std::int64_t m, n, k;
    };
    const Size sizes[] = {{1, 1, 1},    {1, 3, 7},     {1, 130, 257}, {2, 5, 16},   {3, 129, 64},  {5, 17, 33},
                          {6, 64, 128}, {7, 131, 200}, {13, 9, 129},  {31, 40, 96}, {97, 12, 300}, {1, 513, 1024}};
    ThreadPool pool(3, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(1);
        for (const DType dtype : kWeightTypes) {
            for (const Size& size : sizes) {
                for (const bool withBias : {false, true}) {
                    CAPTURE(dtypeName(dtype), size.m, size.n, size.k, withBias);
                    const std::vector<float> x = randomFloats(rng, size.m * size.k);
                    const Matrix w = randomMatrix(rng, dtype, size.n, size.k);
                    const std::vector<float> bias = randomFloats(rng, size.n);
                    const float* b = withBias ? bias.data() : nullptr;
                    std::vector<float> expected(static_cast<std::size_t>(size.m * size.n));
                    linearReference(x.data(), size.m, w.view, b, expected.data());
                    std::vector<float> scale(expected.size());
                    const std::vector<float> absBias = absolute(bias);
                    linearReference(absolute(x).data(), size.m, test::absolute(w.view).view,
                                    withBias ? absBias.data() : nullptr, scale.data());
                    const std::vector<float> found = product(isa, pool, x, size.m, w.view, b);
                    CHECK(worstExcess(found, expected, scale, 2e-6) <= 1e-7);
                }
            }
        }
    });
}

TEST_CASE("linear applies block scales where blocks are cut off or smaller than usual") {
    struct Block {
        std::int64_t n, k;
    };
    ThreadPool pool(2, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        for (const Block block : {Block{128, 128}, Block{32, 64}, Block{1, 16}, Block{5, 7}, Block{1000, 1000}}) {
            for (const std::int64_t m : {1, 4, 9}) {
                CAPTURE(block.n, block.k, m);
                const Matrix w = randomMatrix(rng, DType::kE4M3, 150, 201, 1.0F, block.n, block.k);
                const std::vector<float> x = randomFloats(rng, m * 201);
                std::vector<float> expected(static_cast<std::size_t>(m * 150));
                std::vector<float> scale(expected.size());
                linearReference(x.data(), m, w.view, nullptr, expected.data());
                linearReference(absolute(x).data(), m, test::absolute(w.view).view, nullptr, scale.data());
                CHECK(worstExcess(product(isa, pool, x, m, w.view), expected, scale, 2e-6) <= 1e-7);
            }
        }
    });
}

TEST_CASE("every finite FP8 code is widened exactly by linear") {
    std::vector<unsigned char> codes;
    for (unsigned code = 0; code < 256; ++code)
        if ((code & 0x7FU) != 0x7FU) codes.push_back(static_cast<unsigned char>(code));
    const auto k = static_cast<std::int64_t>(codes.size());
    REQUIRE(k == 254);
    const float scales[] = {0.5F, 4.0F};  // powers of two: no rounding
    const WeightView w{codes.data(), DType::kE4M3, 1, k, scales, 2, 128, 128};
    std::vector<float> x(static_cast<std::size_t>(k * k), 0.0F);
    std::vector<float> expected;
    for (std::int64_t i = 0; i < k; ++i) {
        x[static_cast<std::size_t>(i * k + i)] = 1.0F;
        expected.push_back(e4m3ToFloat(codes[static_cast<std::size_t>(i)]) * scales[i / 128]);
    }
    ThreadPool pool(1);
    onEveryIsa([&](Isa isa) { CHECK(product(isa, pool, x, k, w) == expected); });
}

TEST_CASE("a row of linear does not depend on the rows beside it or on the threads") {
    onEveryIsa([&](Isa isa) {
        Rng rng(3);
        ThreadPool one(1);
        ThreadPool three(3, kSplitAll);
        for (const DType dtype : kWeightTypes) {
            for (const std::int64_t m : {2, 5, 11, 50}) {
                CAPTURE(dtypeName(dtype), m);
                const std::int64_t n = 70;
                const std::int64_t k = 333;
                const Matrix w = randomMatrix(rng, dtype, n, k);
                const std::vector<float> x = randomFloats(rng, m * k);
                const std::vector<float> together = product(isa, one, x, m, w.view);
                CHECK(product(isa, three, x, m, w.view) == together);
                std::vector<float> alone;
                for (std::int64_t t = 0; t < m; ++t) {
                    const std::vector<float> row(x.begin() + t * k, x.begin() + (t + 1) * k);
                    const std::vector<float> y = product(isa, one, row, 1, w.view);
                    alone.insert(alone.end(), y.begin(), y.end());
                }
                CHECK(alone == together);
            }
        }
    });
}

TEST_CASE("linearMany gives what the products give one by one") {
    ThreadPool pool(2, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(4);
        const std::int64_t m = 3;
        const std::int64_t k = 90;
        const std::vector<float> x = randomFloats(rng, m * k);
        const Matrix a = randomMatrix(rng, DType::kBF16, 33, k);
        const Matrix b = randomMatrix(rng, DType::kE4M3, 1, k);
        const Matrix c = randomMatrix(rng, DType::kF32, 140, k);
        const std::vector<float> bias = randomFloats(rng, 140);
        std::vector<float> ya(3 * 33), yb(3), yc(3 * 140);
        const LinearTask tasks[] = {
            {a.view, nullptr, ya.data()}, {b.view, nullptr, yb.data()}, {c.view, bias.data(), yc.data()}};
        LinearWorkspace workspace;
        linearMany(kernelTable(isa), pool, workspace, x.data(), m, tasks);
        CHECK(ya == product(isa, pool, x, m, a.view));
        CHECK(yb == product(isa, pool, x, m, b.view));
        CHECK(yc == product(isa, pool, x, m, c.view, bias.data()));
    });
}

TEST_CASE("rows of an embedding are widened exactly in every format") {
    ThreadPool pool(2, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(5);
        for (const DType dtype : kWeightTypes) {
            for (const std::int64_t width : {1, 7, 16, 130, 257}) {
                CAPTURE(dtypeName(dtype), width);
                const Matrix table = randomMatrix(rng, dtype, 137, width);
                const std::vector<std::int32_t> ids{0, 136, 5, 5, 128, 127};
                std::vector<float> found(ids.size() * static_cast<std::size_t>(width));
                std::vector<float> expected(found.size());
                embedRows(kernelTable(isa), pool, {table.view, ids, found.data()});
                embedRowsReference({table.view, ids, expected.data()});
                // Without scales every step is exact; with scales one rounding of a product of the same factors.
                const auto magnitude = absolute(expected);
                CHECK(worstExcess(found, expected, magnitude, dtype == DType::kE4M3 ? 1.2e-7 : 0.0) <= 0.0);
            }
        }
    });
}

TEST_CASE("every finite 16-bit code is widened exactly") {
    std::vector<std::uint16_t> half, brain;
    for (unsigned code = 0; code < 65536; ++code) {
        if ((code & 0x7C00U) != 0x7C00U) half.push_back(static_cast<std::uint16_t>(code));
        if ((code & 0x7F80U) != 0x7F80U) brain.push_back(static_cast<std::uint16_t>(code));
    }
    REQUIRE(half.size() == 63488);
    REQUIRE(brain.size() == 65280);
    ThreadPool pool(1);
    const std::int32_t first = 0;
    onEveryIsa([&](Isa isa) {
        const auto check = [&](const std::vector<std::uint16_t>& codes, DType dtype, float (*plain)(std::uint16_t)) {
            const WeightView table{codes.data(), dtype, 1, static_cast<std::int64_t>(codes.size())};
            std::vector<float> found(codes.size());
            embedRows(kernelTable(isa), pool, {table, {&first, 1}, found.data()});
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < codes.size(); ++i) wrong += found[i] != plain(codes[i]);
            CHECK(wrong == 0);
        };
        check(half, DType::kF16, f16ToFloat);
        check(brain, DType::kBF16, bf16ToFloat);
    });
}
