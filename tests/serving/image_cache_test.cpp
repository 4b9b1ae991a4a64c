#include "engine/serving/image_cache.h"

#include <catch2/catch.hpp>

using step3::image::Image;
using step3::serving::ImageCache;
using step3::serving::ImageRows;

namespace {

std::shared_ptr<const Image> picture(std::uint8_t value) {
    return std::make_shared<const Image>(Image{2, 1, std::vector<std::uint8_t>(6, value)});
}

ImageRows rows(float value) {
    return std::make_shared<const std::vector<float>>(10, value);
}  // 40 bytes

}  // namespace

TEST_CASE("pictures are found by their pixels") {
    ImageCache cache(1000);
    CHECK(cache.find(picture(1)) == nullptr);
    const ImageRows kept = rows(1);
    cache.insert(picture(1), kept);
    CHECK(cache.find(picture(1)) == kept);
    CHECK(cache.find(picture(2)) == nullptr);
    const auto turned = std::make_shared<const Image>(Image{1, 2, std::vector<std::uint8_t>(6, 1)});
    CHECK(cache.find(turned) == nullptr);
    CHECK(cache.bytes() == 46);
}

TEST_CASE("the picture used longest ago goes first") {
    ImageCache cache(100);  // two of 46 bytes
    cache.insert(picture(1), rows(1));
    cache.insert(picture(2), rows(2));
    CHECK(cache.find(picture(1)) != nullptr);
    cache.insert(picture(3), rows(3));
    CHECK(cache.find(picture(2)) == nullptr);
    CHECK(cache.find(picture(1)) != nullptr);
    CHECK(cache.find(picture(3)) != nullptr);
    CHECK(cache.bytes() == 92);
}

TEST_CASE("what is larger than the cache is not kept") {
    ImageCache cache(45);
    cache.insert(picture(1), rows(1));
    CHECK(cache.find(picture(1)) == nullptr);
    CHECK(cache.bytes() == 0);
}
