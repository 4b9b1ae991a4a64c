#include "engine/image/resize.h"

#include <cmath>
#include <random>

#include <catch2/catch.hpp>

#include "engine/image/preprocess.h"
#include "kernels/vision/resample.h"
#include "tests/image/safetensors_file.h"
#include "tests/image/sha256.h"

namespace {

using namespace step3;
using image::Image;

Image noise(std::int64_t width, std::int64_t height, unsigned seed) {
    std::mt19937 random(seed);
    Image picture{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3))};
    for (auto& level : picture.rgb) level = static_cast<std::uint8_t>(random() & 0xFF);
    return picture;
}

// Section 6.3 as written: weights of section 5.5 in double, one output at a time.
std::vector<double> weightsOf(std::int64_t in, std::int64_t out, std::int64_t i, std::int64_t& low) {
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    const double fs = std::max(scale, 1.0);
    const double c = scale * (static_cast<double>(i) + 0.5);
    low = std::max<std::int64_t>(static_cast<std::int64_t>(c - fs + 0.5), 0);
    const std::int64_t high = std::min(static_cast<std::int64_t>(c + fs + 0.5), in);
    std::vector<double> weights;
    double total = 0;
    for (std::int64_t j = 0; j < high - low; ++j) {
        const double t = std::abs((static_cast<double>(j + low) - c + 0.5) * (1.0 / fs));
        weights.push_back(t < 1.0 ? 1.0 - t : 0.0);
        total += weights.back();
    }
    for (double& w : weights) w /= total;
    return weights;
}

Image resizeReference(const Image& image, std::int64_t canvasWidth, std::int64_t canvasHeight, std::int64_t width,
                      std::int64_t height) {
    const auto level = [](const Image& from, std::int64_t x, std::int64_t y, std::int64_t c) -> std::int64_t {
        return x < from.width && y < from.height ? from.rgb[static_cast<std::size_t>((y * from.width + x) * 3 + c)] : 0;
    };
    const auto pass = [&level](const Image& from, std::int64_t inWidth, std::int64_t inHeight, std::int64_t outWidth,
                               std::int64_t outHeight) {
        const bool horizontal = inWidth != outWidth;
        Image to{outWidth, outHeight, {}};
        for (std::int64_t y = 0; y < outHeight; ++y) {
            for (std::int64_t x = 0; x < outWidth; ++x) {
                std::int64_t low = 0;
                const auto weights =
                    horizontal ? weightsOf(inWidth, outWidth, x, low) : weightsOf(inHeight, outHeight, y, low);
                for (std::int64_t c = 0; c < 3; ++c) {
                    std::int64_t sum = 1 << 21;
                    for (std::size_t j = 0; j < weights.size(); ++j) {
                        const auto at = low + static_cast<std::int64_t>(j);
                        sum += static_cast<std::int64_t>(0.5 + weights[j] * (1 << 22)) *
                               (horizontal ? level(from, at, y, c) : level(from, x, at, c));
                    }
                    to.rgb.push_back(static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> 22, 0, 255)));
                }
            }
        }
        return to;
    };
    Image across = image;
    if (width != canvasWidth) across = pass(image, canvasWidth, canvasHeight, width, canvasHeight);
    return pass(across, width, canvasHeight, width, height);  // weight 1 on one row where the height is unchanged
}

}  // namespace

TEST_CASE("8-bit views and crops of the golden pictures are Pillow's bytes") {
    const Json plans = test::readJson(test::golden() / "images/plans.json");
    std::size_t crops = 0;
    for (const Json& entry : plans.at("images")) {
        const auto file = entry.at("file").get<std::string>();
        INFO(file);
        const Image picture = image::loadImage(test::goldenPicture(file));
        const image::ImagePlan plan = image::planImage(picture.width, picture.height);
        const Json& expected = entry.at("plan");
        const Image global = image::globalView(picture, plan);
        CHECK(std::vector{global.width, global.height} == expected.at("global_size").get<std::vector<std::int64_t>>());
        CHECK(test::sha256(global.rgb) == expected.at("global_sha256").get<std::string>());
        std::vector<std::string> found;
        if (!plan.boxes.empty()) {
            const Image source = image::cropSource(global, plan);
            for (const auto& box : plan.boxes) found.push_back(test::sha256(image::cutCrop(source, box).rgb));
        }
        CHECK(found == expected.at("crop_sha256").get<std::vector<std::string>>());
        crops += found.size();
    }
    CHECK(crops > 0);
}

TEST_CASE("the 8-bit resize equals its definition for odd sizes, up and down, on a larger canvas too") {
    struct Sizes {
        std::int64_t width, height, canvasWidth, canvasHeight, outWidth, outHeight;
    };
    const Sizes s = GENERATE(Sizes{1, 1, 1, 1, 1, 1}, Sizes{1, 1, 1, 1, 7, 5}, Sizes{17, 33, 17, 33, 5, 3},
                             Sizes{33, 17, 33, 17, 33, 40}, Sizes{33, 17, 33, 17, 50, 17},
                             Sizes{97, 61, 97, 61, 31, 89}, Sizes{40, 3, 40, 40, 40, 40}, Sizes{3, 61, 61, 61, 20, 20},
                             Sizes{61, 3, 61, 61, 20, 20}, Sizes{500, 2, 500, 2, 3, 2}, Sizes{2, 500, 2, 500, 2, 3});
    const Image picture = noise(s.width, s.height, 7);
    const Image expected = resizeReference(picture, s.canvasWidth, s.canvasHeight, s.outWidth, s.outHeight);
    const Image found = image::resizeOnCanvas(picture, s.canvasWidth, s.canvasHeight, s.outWidth, s.outHeight);
    CHECK(found.width == s.outWidth);
    CHECK(found.height == s.outHeight);
    CHECK(found.rgb == expected.rgb);
}

TEST_CASE("white stays white and black stays black however many pixels are averaged") {
    for (const int level : {0, 255}) {
        const Image flat{9001, 3, std::vector<std::uint8_t>(9001 * 3 * 3, static_cast<std::uint8_t>(level))};
        const Image small = image::resizeOnCanvas(flat, 9001, 3, 2, 1);
        CHECK(small.rgb == std::vector<std::uint8_t>(6, static_cast<std::uint8_t>(level)));
    }
}

TEST_CASE("a long thin picture is resized without building its square canvas") {
    // 60000 x 2 pads to 60000 x 60000: more than 10 GB if it were built.
    const Image thin = noise(60000, 2, 3);
    const image::ImagePlan plan = image::planImage(thin.width, thin.height);
    REQUIRE(plan.pad);
    const Image global = image::globalView(thin, plan);
    CHECK(global.width == 3024);
    CHECK(global.height == 3024);
    CHECK(std::all_of(global.rgb.begin() + 3024 * 3, global.rgb.end(), [](std::uint8_t level) { return level == 0; }));
    CHECK(
        std::any_of(global.rgb.begin(), global.rgb.begin() + 3024 * 3, [](std::uint8_t level) { return level != 0; }));
}

TEST_CASE("crops that reach over the edge are black there") {
    const Image picture = noise(10, 6, 5);
    const Image crop = image::cutCrop(picture, {8, 0, 8});
    REQUIRE(crop.rgb.size() == 8 * 8 * 3);
    for (std::size_t y = 0; y < 8; ++y) {
        for (std::size_t x = 0; x < 8; ++x) {
            const int expected = x < 2 && y < 6 ? picture.rgb[(y * 10 + 8 + x) * 3] : 0;
            CHECK(crop.rgb[(y * 8 + x) * 3] == expected);
        }
    }
}
