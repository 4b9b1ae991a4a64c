#include <algorithm>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/image/preprocess.h"
#include "tests/image/safetensors_file.h"

namespace {

using namespace step3;
using image::ImagePlan;
using image::imageTokens;
using image::planImage;

std::string failure(std::int64_t width, std::int64_t height) {
    try {
        planImage(width, height);
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("every row of the golden plan table is reproduced") {
    const Json table = test::readJson(test::golden() / "images/plan_table.json");
    const model::PreprocessorConfig config;
    std::size_t rows = 0;
    for (const Json& row : table.at("rows")) {
        const ImagePlan plan = planImage(row.at(0).get<std::int64_t>(), row.at(1).get<std::int64_t>());
        const std::vector<std::int64_t> found{plan.width,
                                              plan.height,
                                              plan.pad ? 1 : 0,
                                              plan.globalWidth,
                                              plan.globalHeight,
                                              plan.window,
                                              plan.cropWidth,
                                              plan.cropHeight,
                                              static_cast<std::int64_t>(plan.boxes.size()),
                                              std::count(plan.newline.begin(), plan.newline.end(), true),
                                              imageTokens(plan, config)};
        CHECK(found == row.get<std::vector<std::int64_t>>());
        ++rows;
    }
    CHECK(rows > 1000);
}

TEST_CASE("boxes and newlines of the golden pictures are reproduced") {
    const Json plans = test::readJson(test::golden() / "images/plans.json");
    std::size_t boxes = 0;
    for (const Json& entry : plans.at("images")) {
        INFO(entry.at("file"));
        const auto size = entry.at("rgb_size").get<std::vector<std::int64_t>>();
        const ImagePlan plan = planImage(size[0], size[1]);
        const Json& expected = entry.at("plan");
        CHECK(plan.pad == expected.at("pad").get<bool>());
        CHECK(std::vector{plan.paddedWidth(), plan.paddedHeight()} ==
              expected.at("padded").get<std::vector<std::int64_t>>());
        CHECK(plan.newline == expected.at("newline").get<std::vector<bool>>());
        std::vector<std::vector<std::int64_t>> found;
        for (const ImagePlan::Box& box : plan.boxes) found.push_back({box.x, box.y, box.size, box.size});
        CHECK(found == expected.at("boxes").get<std::vector<std::vector<std::int64_t>>>());
        boxes += found.size();
    }
    CHECK(boxes > 0);
}

TEST_CASE("without local crops only the global view is left") {
    const ImagePlan plan = planImage(1280, 720, false);
    CHECK(plan.boxes.empty());
    CHECK(plan.newline.empty());
    CHECK(plan.window == 0);
    CHECK(plan.cropWidth == 0);
    CHECK(imageTokens(plan, {}) == 171);
}

TEST_CASE("exactly a fifth of a window over decides by the double's value") {
    CHECK(planImage(640, 200).cropWidth == 800);  // 3.2 - 3 is above 0.2 as doubles
    CHECK(planImage(728, 728).boxes.empty());     // long <= 728, the original rule
    CHECK(planImage(729, 728).boxes.size() == 4);
}

TEST_CASE("thin pictures: the token limit is checked before anything is allocated") {
    const ImagePlan plan = planImage(9000, 40);
    CHECK(plan.globalWidth == 3024);
    CHECK(plan.globalHeight == 13);
    const model::PreprocessorConfig config;
    const std::int64_t tokens = imageTokens(plan, config);
    CHECK(tokens > 8192);
    CHECK_NOTHROW(image::requireImageTokens(plan, config, tokens, "thin.png"));
    try {
        image::requireImageTokens(plan, config, 8192, "thin.png");
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kResourceExhausted);
        CHECK(std::string(error.what()) == "thin.png: expected a picture of at most 8192 image tokens, found " +
                                               std::to_string(tokens) + " (9000x40 pixels in " +
                                               std::to_string(plan.boxes.size()) + " crops)");
    }
}

TEST_CASE("pictures without a plan are refused") {
    CHECK(failure(200000, 40) ==
          "picture of 200000x40 pixels: expected sides of at least 1 pixel after scaling the longer one to 3024, found "
          "3024x0");
    CHECK(failure(0, 10) == "picture of 0x10 pixels: expected sides of 1 to 2147483647 pixels");
    CHECK(failure(10, -1) == "picture of 10x-1 pixels: expected sides of 1 to 2147483647 pixels");
    CHECK(failure(1LL << 40, 10) == "picture of 1099511627776x10 pixels: expected sides of 1 to 2147483647 pixels");
}
