#include "engine/image/exif.h"

#include <cstdlib>

#include <catch2/catch.hpp>

#include "engine/image/image.h"
#include "tests/image/picture_bytes.h"

namespace {

using namespace step3;
using image::decodeImage;
using image::exifOrientation;
using image::Image;
using image::PictureFormat;
using test::Bytes;

// The stored pixel that an upright picture shows at (x, y), by the definition of the tag: orientation o says where row
// 0 and column 0 of the stored picture lie.
std::pair<std::int64_t, std::int64_t> storedPixel(int orientation, std::int64_t x, std::int64_t y, std::int64_t width,
                                                  std::int64_t height) {
    switch (orientation) {
        case 2: return {width - 1 - x, y};
        case 3: return {width - 1 - x, height - 1 - y};
        case 4: return {x, height - 1 - y};
        case 5: return {y, x};
        case 6: return {y, height - 1 - x};
        case 7: return {width - 1 - y, height - 1 - x};
        case 8: return {width - 1 - y, x};
        default: return {x, y};
    }
}

Image upright(const Image& stored, int orientation) {
    const bool swapped = orientation >= 5;
    Image result{swapped ? stored.height : stored.width, swapped ? stored.width : stored.height, {}};
    for (std::int64_t y = 0; y < result.height; ++y) {
        for (std::int64_t x = 0; x < result.width; ++x) {
            const auto [sx, sy] = storedPixel(orientation, x, y, stored.width, stored.height);
            for (std::int64_t c = 0; c < 3; ++c) {
                result.rgb.push_back(stored.rgb[static_cast<std::size_t>((sy * stored.width + sx) * 3 + c)]);
            }
        }
    }
    return result;
}

}  // namespace

TEST_CASE("EXIF orientations 1 to 8 of PNG, JPEG and WebP, both byte orders") {
    // Larger than one copy block in both directions, neither a multiple of it.
    const auto [width, height] = GENERATE(std::pair{3, 2}, std::pair{131, 70});
    const Image picture = test::testPicture(width, height);
    const Bytes png = test::pngBytes(picture);
    const Bytes jpeg = test::jpegBytes(picture, 95);
    const Bytes webp = test::losslessWebpBytes(picture);
    const Image decodedJpeg = decodeImage(jpeg, "p.jpg");
    for (std::uint16_t orientation = 1; orientation <= 8; ++orientation) {
        for (const bool bigEndian : {false, true}) {
            INFO("orientation " << orientation << (bigEndian ? " big-endian" : " little-endian"));
            const Bytes tiff = test::exifTiff(bigEndian, orientation);
            const Image fromPng = decodeImage(test::withPngExif(png, tiff), "p.png");
            const Image expectedPng = upright(picture, orientation);
            CHECK(fromPng.width == expectedPng.width);
            CHECK(fromPng.rgb == expectedPng.rgb);
            for (const Bytes& exif : {tiff, test::joined({test::bytesOf(std::string_view("Exif\0\0", 6)), tiff})}) {
                const Image fromWebp = decodeImage(test::withWebpExif(webp, width, height, exif), "p.webp");
                CHECK(fromWebp.width == expectedPng.width);
                CHECK(fromWebp.rgb == expectedPng.rgb);
            }
            const Image fromJpeg = decodeImage(test::withJpegExif(jpeg, tiff), "p.jpg");
            CHECK(fromJpeg.width == expectedPng.width);
            CHECK(fromJpeg.rgb == upright(decodedJpeg, orientation).rgb);
        }
    }
}

TEST_CASE("malformed EXIF leaves the picture as stored") {
    const Bytes jpeg = test::jpegBytes(test::testPicture(8, 4), 90);
    const auto orientationOf = [&](const Bytes& tiff) {
        return exifOrientation(test::withJpegExif(jpeg, tiff), PictureFormat::kJpeg);
    };
    const Bytes good = test::exifTiff(true, 6);
    REQUIRE(orientationOf(good) == 6);
    SECTION("cut off anywhere") {
        for (std::size_t size = 0; size < good.size() - 6; ++size)
            CHECK(orientationOf(test::firstBytes(good, size)) == 1);
    }
    SECTION("value out of range") {
        CHECK(orientationOf(test::exifTiff(true, 0)) == 1);
        CHECK(orientationOf(test::exifTiff(false, 9)) == 1);
    }
    SECTION("directory outside the block") {
        Bytes bad = good;
        bad[4] = bad[5] = bad[6] = bad[7] = std::byte{0xFF};
        CHECK(orientationOf(bad) == 1);
    }
    SECTION("more entries announced than present") {
        Bytes bad = good;
        bad[8] = bad[9] = std::byte{0xFF};
        bad[10] = std::byte{0x7F};  // another tag first
        CHECK(orientationOf(bad) == 1);
    }
    SECTION("wrong byte order mark, magic number, type or count") {
        for (const std::size_t at : {0U, 3U, 13U, 17U}) {
            Bytes bad = good;
            bad[at] = std::byte{0x55};
            CHECK(orientationOf(bad) == 1);
        }
    }
    SECTION("no EXIF at all") {
        CHECK(exifOrientation(jpeg, PictureFormat::kJpeg) == 1);
    }
    SECTION("WebP whose VP8X does not announce it, or whose chunks are cut off") {
        const Bytes webp = test::losslessWebpBytes(test::testPicture(8, 4));
        Bytes whole = test::withWebpExif(webp, 8, 4, good);
        REQUIRE(exifOrientation(whole, PictureFormat::kWebp) == 6);
        for (std::size_t size = 0; size < whole.size() - 1; ++size)
            CHECK(exifOrientation(test::firstBytes(whole, size), PictureFormat::kWebp) == 1);
        whole[20] = std::byte{0};
        CHECK(exifOrientation(whole, PictureFormat::kWebp) == 1);
        CHECK(exifOrientation(webp, PictureFormat::kWebp) == 1);
    }
    SECTION("segments that run past the end") {
        const Bytes whole = test::withJpegExif(jpeg, good);
        for (std::size_t size = 0; size < 30; ++size) {
            CHECK(exifOrientation(test::firstBytes(whole, size), PictureFormat::kJpeg) == 1);
            CHECK(exifOrientation(test::firstBytes(whole, size), PictureFormat::kPng) == 1);
        }
    }
}
