#include "engine/serving/image_tokens.h"

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving;
using testing::FakeTokenizer;

namespace {

using Ids = std::vector<std::int32_t>;

const ImageTokenIds kTokens{
    .patch = 9, .imageStart = 1, .imageEnd = 2, .patchStart = 3, .patchEnd = 4, .patchNewline = 5};

model::PreprocessorConfig smallConfig() {
    model::PreprocessorConfig config;
    config.numImageFeatureSize = 3;
    config.numPatchFeatureSize = 2;
    return config;
}

/// A plan of crops in rows of `columns`.
image::ImagePlan plan(std::size_t crops, std::size_t columns) {
    image::ImagePlan result;
    for (std::size_t i = 0; i < crops; ++i) {
        result.boxes.push_back({0, 0, 1});
        result.newline.push_back((i + 1) % columns == 0 && i + 1 < crops);
    }
    return result;
}

}  // namespace

TEST_CASE("a placeholder becomes crops, line ends and the global view") {
    const std::vector<image::ImagePlan> plans{plan(4, 2)};
    const ExpandedPrompt prompt = expandImages(Ids{7, 9, 8}, kTokens, plans, smallConfig());
    CHECK(prompt.ids == Ids{7, 3, 9, 9, 4, 3, 9, 9, 4, 5, 3, 9, 9, 4, 3, 9, 9, 4, 1, 9, 9, 9, 2, 8});
    CHECK(prompt.rowPositions == Ids{2, 3, 6, 7, 11, 12, 15, 16, 19, 20, 21});
    CHECK(prompt.imageTokens == 22);
    CHECK(imageRows(plans[0], smallConfig()) == 11);
}

TEST_CASE("several pictures keep their order, a prompt without pictures its tokens") {
    const std::vector<image::ImagePlan> plans{plan(0, 1), plan(1, 1)};
    const ExpandedPrompt prompt = expandImages(Ids{9, 6, 9}, kTokens, plans, smallConfig());
    CHECK(prompt.ids == Ids{1, 9, 9, 9, 2, 6, 3, 9, 9, 4, 1, 9, 9, 9, 2});
    CHECK(prompt.rowPositions == Ids{1, 2, 3, 7, 8, 11, 12, 13});
    CHECK(prompt.pictureRows == Ids{3, 5});
    CHECK(expandImages(Ids{6, 7}, kTokens, {}, smallConfig()).ids == Ids{6, 7});
    CHECK(expandImages({}, kTokens, {}, smallConfig()).ids.empty());
}

TEST_CASE("placeholders and pictures must be equally many") {
    const std::vector<image::ImagePlan> plans{plan(0, 1), plan(0, 1)};
    CHECK_THROWS_WITH(expandImages(Ids{9}, kTokens, plans, smallConfig()),
                      "the prompt has 1 image placeholders, but 2 images were given");
    CHECK_THROWS_WITH(expandImages(Ids{9, 9, 9}, kTokens, plans, smallConfig()),
                      "the prompt has 3 image placeholders, but 2 images were given");
}

TEST_CASE("crops need the crop tokens, the global view does not") {
    ImageTokenIds tokens = kTokens;
    tokens.patchStart = tokens.patchEnd = tokens.patchNewline = std::nullopt;
    CHECK(expandImages(Ids{9}, tokens, std::vector{plan(0, 1)}, smallConfig()).ids == Ids{1, 9, 9, 9, 2});
    CHECK_THROWS_WITH(expandImages(Ids{9}, tokens, std::vector{plan(1, 1)}, smallConfig()),
                      "tokenizer: expected the token <patch_start> for a picture with crops, found none");
}

TEST_CASE("ids come from the tokenizer by name") {
    model::ModelConfig config;
    config.imageTokenId = 2;
    const FakeTokenizer full(
        {"<im_start>", "<im_end>", "<im_patch>", "<patch_start>", "<patch_end>", "<patch_newline>"});
    const ImageTokenIds ids = ImageTokenIds::of(full, config);
    CHECK(ids.patch == 2);
    CHECK(ids.imageStart == 0);
    CHECK(ids.imageEnd == 1);
    CHECK(ids.patchNewline == 5);
    config.imageTokenId = 1;
    CHECK_THROWS_WITH(ImageTokenIds::of(full, config),
                      "config.json: expected image_token_id 2, the tokenizer's <im_patch>, found 1");
    config.imageTokenId = 1;
    const FakeTokenizer few({"<im_start>", "<im_patch>"});
    CHECK_THROWS_WITH(ImageTokenIds::of(few, config),
                      "tokenizer: expected the token <im_end> of a vision model, found none");
}
