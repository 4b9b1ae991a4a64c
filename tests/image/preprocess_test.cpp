#include "engine/image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <catch2/catch.hpp>

#include "tests/image/picture_bytes.h"
#include "tests/image/safetensors_file.h"

namespace {

using namespace step3;

model::PreprocessorConfig configOf(const std::string& checkpoint) {
    const Json json = test::readJson(test::golden() / checkpoint / "preprocessor_config.json");
    model::PreprocessorConfig config;
    config.imageSize = json.at("image_size").get<std::int64_t>();
    config.patchSize = json.at("patch_size").get<std::int64_t>();
    config.mean = json.at("image_mean").get<std::array<float, 3>>();
    config.std = json.at("image_std").get<std::array<float, 3>>();
    return config;
}

// The part of a complete tensor [3, side, side] that a golden entry of this kind keeps.
std::vector<double> reduced(const std::vector<float>& tensor, std::int64_t side, const std::string& kind) {
    const auto at = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
        return static_cast<double>(tensor[static_cast<std::size_t>((c * side + y) * side + x)]);
    };
    std::vector<double> out;
    if (kind.empty()) {
        out.assign(tensor.begin(), tensor.end());
    } else if (kind == "stride8") {
        for (std::int64_t c = 0; c < 3; ++c) {
            for (std::int64_t y = 3; y < side; y += 8) {
                for (std::int64_t x = 3; x < side; x += 8) out.push_back(at(c, y, x));
            }
        }
    } else if (kind == "rows") {
        const std::set<std::int64_t> rows{0, 1, 2, side / 3, side / 2, side - 2, side - 1};
        for (std::int64_t c = 0; c < 3; ++c) {
            for (const std::int64_t y : rows) {
                for (std::int64_t x = 0; x < side; ++x) out.push_back(at(c, y, x));
            }
        }
    } else if (kind == "mean_std") {
        std::vector<double> deviations;
        const std::int64_t count = side * side;
        for (std::int64_t c = 0; c < 3; ++c) {
            double sum = 0, squares = 0;
            for (std::int64_t i = 0; i < count; ++i)
                sum += static_cast<double>(tensor[static_cast<std::size_t>(c * count + i)]);
            const double mean = sum / static_cast<double>(count);
            for (std::int64_t i = 0; i < count; ++i) {
                const double d = static_cast<double>(tensor[static_cast<std::size_t>(c * count + i)]) - mean;
                squares += d * d;
            }
            out.push_back(mean);
            deviations.push_back(std::sqrt(squares / static_cast<double>(count)));
        }
        out.insert(out.end(), deviations.begin(), deviations.end());
    }
    return out;
}

double largestDifference(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
    return largest;
}

}  // namespace

TEST_CASE("pixel tensors agree with the golden ones") {
    std::size_t compared = 0;
    for (const auto& checkpoint : std::filesystem::directory_iterator(test::golden() / "pixels")) {
        const std::string name = checkpoint.path().filename().string();
        const model::PreprocessorConfig config = configOf(name);
        for (const auto& file : std::filesystem::directory_iterator(checkpoint.path())) {
            const image::Image picture = image::loadImage(test::goldenPicture(file.path().stem().string()));
            const image::PixelValues pixels = image::preprocess(picture, config, true);
            for (const auto& [key, expected] : test::readSafetensors(file.path())) {
                INFO(file.path() << " " << key);
                const std::string base = key.substr(0, key.find('.'));
                const std::string kind = base.size() == key.size() ? "" : key.substr(base.size() + 1);
                const bool global = base == "global";
                const std::size_t crop = global ? 0 : std::stoul(base.substr(5));
                REQUIRE((global || crop < pixels.patches.size()));
                const auto& tensor = global ? pixels.global : pixels.patches[crop];
                const std::vector<double> found = reduced(tensor, global ? config.imageSize : config.patchSize, kind);
                REQUIRE(found.size() == expected.values.size());
                CHECK(largestDifference(found, expected.values) <= (kind == "mean_std" ? 1e-5 : 5e-6));
                ++compared;
            }
        }
    }
    CHECK(compared > 0);
}

TEST_CASE("crops need the argument and the configuration") {
    const image::Image picture = test::testPicture(300, 120);
    model::PreprocessorConfig config;
    config.imageSize = 28;
    config.patchSize = 14;
    CHECK(image::preprocess(picture, config, true).patches.size() == 3);
    CHECK(image::preprocess(picture, config, false).patches.empty());
    config.enablePatch = false;
    const image::PixelValues pixels = image::preprocess(picture, config, true);
    CHECK(pixels.patches.empty());
    CHECK(pixels.plan.boxes.empty());
    CHECK(pixels.global.size() == 3 * 28 * 28);
}

TEST_CASE("a picture of one colour becomes that colour, normalised, at any size") {
    const auto [width, height] =
        GENERATE(std::pair{1, 1}, std::pair{28, 28}, std::pair{28, 9}, std::pair{100, 28}, std::pair{701, 399});
    image::Image picture{width, height, {}};
    for (int i = 0; i < width * height; ++i) picture.rgb.insert(picture.rgb.end(), {10, 128, 255});
    model::PreprocessorConfig config;
    config.imageSize = 28;
    const auto pixels = image::preprocess(picture, config, false);
    REQUIRE(pixels.global.size() == 3 * 28 * 28);
    const double levels[3] = {10, 128, 255};
    for (std::size_t c = 0; c < 3; ++c) {
        const double expected =
            (levels[c] / 255.0 - static_cast<double>(config.mean[c])) / static_cast<double>(config.std[c]);
        for (std::size_t i = 0; i < 28 * 28; ++i) {
            CHECK(static_cast<double>(pixels.global[c * 28 * 28 + i]) == Approx(expected).margin(2e-6));
        }
    }
}
