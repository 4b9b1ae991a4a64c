#include <cmath>

#include "kernels/norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

TEST_CASE("RMSNorm agrees with the reference, in place too") {
    ThreadPool pool(2);
    onEveryIsa([&](Isa isa) {
        Rng rng(1);
        for (const std::int64_t width : {1, 2, 7, 16, 31, 64, 129, 1000}) {
            for (const std::int64_t rows : {1, 3, 40}) {
                for (const float size : {1e-4F, 1.0F, 1e3F}) {
                    CAPTURE(width, rows, size);
                    std::vector<float> x = randomFloats(rng, rows * width, size);
                    const std::vector<float> w = randomFloats(rng, width);
                    std::vector<float> found(x.size()), expected(x.size());
                    rmsNorm(kernelTable(isa), pool, {x.data(), w.data(), found.data(), rows, width, 1e-5F});
                    rmsNormReference({x.data(), w.data(), expected.data(), rows, width, 1e-5F});
                    std::vector<float> scale = expected;
                    for (float& s : scale) s = std::abs(s);
                    CHECK(worstExcess(found, expected, scale, 2e-6) <= 1e-9);
                    rmsNorm(kernelTable(isa), pool, {x.data(), w.data(), x.data(), rows, width, 1e-5F});
                    CHECK(x == found);
                }
            }
        }
    });
}

TEST_CASE("RMSNorm of zeros is zero") {
    ThreadPool pool(1);
    onEveryIsa([&](Isa isa) {
        const std::vector<float> x(19, 0.0F), w(19, 2.0F);
        std::vector<float> out(19, 1.0F);
        rmsNorm(kernelTable(isa), pool, {x.data(), w.data(), out.data(), 1, 19, 1e-5F});
        CHECK(out == x);
    });
}

TEST_CASE("RoPE agrees with the reference and keeps lengths") {
    ThreadPool pool(2);
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        for (const std::int64_t dim : {2, 6, 16, 30, 64, 256}) {
            for (const std::int64_t heads : {1, 3}) {
                CAPTURE(dim, heads);
                RopeTable table(500000.0, dim);
                const std::vector<std::int64_t> positions{0, 1, 2, 77, 4095, 65535};
                table.setPositions(pool, positions);
                const std::int64_t tokens = 5;
                std::vector<float> found = randomFloats(rng, tokens * heads * dim);
                std::vector<float> expected = found;
                const std::vector<float> before = found;
                rope(kernelTable(isa), pool, {found.data(), tokens, heads, &table, 1});
                ropeReference({expected.data(), tokens, heads, &table, 1});
                CHECK(worstDifference(found, expected) <= 1e-6);
                for (std::int64_t row = 0; row < tokens * heads; ++row) {
                    double old = 0, now = 0;
                    for (std::int64_t i = 0; i < dim; ++i) {
                        old += std::pow(before[static_cast<std::size_t>(row * dim + i)], 2);
                        now += std::pow(found[static_cast<std::size_t>(row * dim + i)], 2);
                    }
                    CHECK(now == Approx(old).epsilon(1e-5));
                }
            }
        }
    });
}

TEST_CASE("position 0 is not rotated") {
    ThreadPool pool(1);
    RopeTable table(500000.0, 34);
    const std::int64_t zero = 0;
    table.setPositions(pool, {&zero, 1});
    Rng rng(3);
    onEveryIsa([&](Isa isa) {
        std::vector<float> x = randomFloats(rng, 34);
        const std::vector<float> before = x;
        rope(kernelTable(isa), pool, {x.data(), 1, 1, &table, 0});
        CHECK(x == before);
    });
}

TEST_CASE("the table of angles is that of the formula") {
    ThreadPool pool(1);
    RopeTable table(10000.0, 8);
    const std::vector<std::int64_t> positions{3, 1000};
    table.setPositions(pool, positions);
    REQUIRE(table.half() == 4);
    for (std::int64_t row = 0; row < 2; ++row) {
        for (std::int64_t i = 0; i < 4; ++i) {
            const double angle = static_cast<double>(positions[static_cast<std::size_t>(row)]) *
                                 std::pow(10000.0, -2.0 * static_cast<double>(i) / 8.0);
            CHECK(table.cosines(row)[i] == Approx(std::cos(angle)).margin(1e-4));
            CHECK(table.sines(row)[i] == Approx(std::sin(angle)).margin(1e-4));
        }
    }
}
