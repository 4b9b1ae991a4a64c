#include "kernels/vision/resample.h"

#include <cmath>
#include <numeric>

#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

namespace {

std::vector<std::uint8_t> randomLevels(Rng& rng, std::int64_t count) {
    std::vector<std::uint8_t> levels(static_cast<std::size_t>(count));
    for (auto& level : levels) level = static_cast<std::uint8_t>(rng());
    return levels;
}

std::uint8_t clipped(std::int64_t fixed) {
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>((fixed + (1 << 21)) >> 22, 0, 255));
}

struct Size {
    std::int64_t in, out;
};
const Size kSizes[] = {{1, 1}, {1, 9}, {9, 1}, {17, 17}, {40, 13}, {13, 40}, {300, 50}, {100, 99}, {33, 64}};

}  // namespace

TEST_CASE("the weights of a resize sum to 1 and stay inside the input") {
    for (const ResampleFilter filter : {ResampleFilter::kTriangle, ResampleFilter::kCubic}) {
        for (const Size& size : kSizes) {
            CAPTURE(size.in, size.out);
            const Taps<double> taps = makeTaps(size.in, size.out, filter);
            REQUIRE(taps.first.size() == static_cast<std::size_t>(size.out));
            for (std::size_t i = 0; i < taps.first.size(); ++i) {
                CHECK(taps.first[i] >= 0);
                CHECK(taps.count[i] >= 1);
                CHECK(taps.first[i] + taps.count[i] <= size.in);
                const double* w = taps.weight.data() + static_cast<std::int64_t>(i) * taps.stride;
                CHECK(std::accumulate(w, w + taps.count[i], 0.0) == Approx(1.0));
                if (size.in == size.out) CHECK(w[static_cast<std::int32_t>(i) - taps.first[i]] == Approx(1.0));
            }
        }
    }
}

TEST_CASE("the 8-bit resize is exact integer arithmetic on every instruction set") {
    onEveryIsa([&](Isa isa) {
        Rng rng(1);
        for (const Size& size : kSizes) {
            for (const std::int64_t height : {1, 15, 16, 17}) {
                CAPTURE(size.in, size.out, height);
                const Taps<std::int32_t> taps = fixedPointTaps(makeTaps(size.in, size.out, ResampleFilter::kCubic));
                const std::int64_t stride = size.in * 3 + 5;
                const std::vector<std::uint8_t> in = randomLevels(rng, stride * height);
                std::vector<std::uint8_t> found(static_cast<std::size_t>(size.out * 3 * height)), expected;
                resampleAcrossU8(in.data(), stride, size.in, height, taps, found.data(), visionTable(isa));
                for (std::int64_t y = 0; y < height; ++y) {
                    for (std::int64_t x = 0; x < size.out; ++x) {
                        const auto i = static_cast<std::size_t>(x);
                        for (std::int64_t c = 0; c < 3; ++c) {
                            std::int64_t sum = 0;
                            for (std::int32_t j = 0; j < taps.count[i]; ++j)
                                sum += taps.weight[static_cast<std::size_t>(x * taps.stride + j)] *
                                       std::int64_t{
                                           in[static_cast<std::size_t>(y * stride + (taps.first[i] + j) * 3 + c)]};
                            expected.push_back(clipped(sum));
                        }
                    }
                }
                CHECK(found == expected);
            }
            for (const std::int64_t rowBytes : {3, 31, 150}) {
                CAPTURE(size.in, size.out, rowBytes);
                const Taps<std::int32_t> taps = fixedPointTaps(makeTaps(size.in, size.out, ResampleFilter::kTriangle));
                const std::vector<std::uint8_t> in = randomLevels(rng, size.in * rowBytes);
                std::vector<std::uint8_t> found(static_cast<std::size_t>(size.out * rowBytes)), expected;
                resampleDownU8(in.data(), rowBytes, taps, found.data(), visionTable(isa));
                for (std::int64_t y = 0; y < size.out; ++y) {
                    const auto i = static_cast<std::size_t>(y);
                    for (std::int64_t x = 0; x < rowBytes; ++x) {
                        std::int64_t sum = 0;
                        for (std::int32_t j = 0; j < taps.count[i]; ++j)
                            sum += taps.weight[static_cast<std::size_t>(y * taps.stride + j)] *
                                   std::int64_t{in[static_cast<std::size_t>((taps.first[i] + j) * rowBytes + x)]};
                        expected.push_back(clipped(sum));
                    }
                }
                CHECK(found == expected);
            }
        }
    });
}

TEST_CASE("both passes of the 8-bit resize in bands are the two passes one after the other") {
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        for (const Size& across : kSizes) {
            for (const Size& down : kSizes) {
                for (const std::int64_t missing : {0, 1, 30}) {  // rows of the canvas that lie below the picture
                    const std::int64_t height = std::max<std::int64_t>(1, down.in - missing);
                    CAPTURE(across.in, across.out, down.in, down.out, height);
                    const auto taps = fixedPointTaps(makeTaps(across.in, across.out, ResampleFilter::kTriangle));
                    auto downTaps = fixedPointTaps(makeTaps(down.in, down.out, ResampleFilter::kTriangle));
                    clipTaps(downTaps, height);
                    const std::vector<std::uint8_t> in = randomLevels(rng, across.in * 3 * height);
                    std::vector<std::uint8_t> between(static_cast<std::size_t>(across.out * 3 * height));
                    std::vector<std::uint8_t> expected(static_cast<std::size_t>(across.out * 3 * down.out)),
                        found(expected.size());
                    resampleAcrossU8(in.data(), across.in * 3, across.in, height, taps, between.data(),
                                     visionTable(isa));
                    resampleDownU8(between.data(), across.out * 3, downTaps, expected.data(), visionTable(isa));
                    resampleU8(in.data(), across.in, height, taps, downTaps, found.data(), visionTable(isa));
                    CHECK(found == expected);
                }
            }
        }
    });
}

TEST_CASE("the float resize agrees with plain sums") {
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        LevelTable levels;
        for (auto& channel : levels.value)
            for (float& value : channel) value = randomFloats(rng, 1).front();
        for (const Size& size : kSizes) {
            CAPTURE(size.in, size.out);
            const std::int64_t height = 19;
            const Taps<float> taps = makeFloatTaps(size.in, size.out, ResampleFilter::kTriangle);
            const std::int64_t stride = size.in * 3;
            const std::vector<std::uint8_t> in = randomLevels(rng, stride * height);
            std::vector<float> found(static_cast<std::size_t>(3 * height * size.out)), expected;
            resampleAcrossF32(in.data(), stride, size.in, height, levels, taps, found.data(), visionTable(isa));
            for (std::int64_t c = 0; c < 3; ++c) {
                for (std::int64_t y = 0; y < height; ++y) {
                    for (std::int64_t x = 0; x < size.out; ++x) {
                        const auto i = static_cast<std::size_t>(x);
                        double sum = 0;
                        for (std::int32_t j = 0; j < taps.count[i]; ++j)
                            sum +=
                                static_cast<double>(taps.weight[static_cast<std::size_t>(x * taps.stride + j)]) *
                                levels.value[c][in[static_cast<std::size_t>(y * stride + (taps.first[i] + j) * 3 + c)]];
                        expected.push_back(static_cast<float>(sum));
                    }
                }
            }
            CHECK(worstDifference(found, expected) <= 1e-5);

            const std::int64_t rowWidth = 29;
            const std::vector<float> rows = randomFloats(rng, size.in * rowWidth);
            std::vector<float> down(static_cast<std::size_t>(size.out * rowWidth)), expectedDown;
            resampleDownF32(rows.data(), rowWidth, taps, down.data(), visionTable(isa));
            for (std::int64_t y = 0; y < size.out; ++y) {
                const auto i = static_cast<std::size_t>(y);
                for (std::int64_t x = 0; x < rowWidth; ++x) {
                    double sum = 0;
                    for (std::int32_t j = 0; j < taps.count[i]; ++j)
                        sum += static_cast<double>(taps.weight[static_cast<std::size_t>(y * taps.stride + j)]) *
                               rows[static_cast<std::size_t>((taps.first[i] + j) * rowWidth + x)];
                    expectedDown.push_back(static_cast<float>(sum));
                }
            }
            CHECK(worstDifference(down, expectedDown) <= 1e-5);
        }
    });
}

TEST_CASE("weights of inputs that are not there are dropped") {
    Taps<double> taps = makeTaps(10, 5, ResampleFilter::kTriangle);
    clipTaps(taps, 4);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(taps.count[i] >= 0);
        if (taps.count[i] > 0) CHECK(taps.first[i] + taps.count[i] <= 4);
    }
    CHECK(taps.count[0] > 0);
    CHECK(taps.count[4] == 0);
    CHECK(taps.first[4] == 0);
}
