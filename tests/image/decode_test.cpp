#include <cmath>
#include <cstdlib>

#include <catch2/catch.hpp>

#include "engine/image/image.h"
#include "tests/image/picture_bytes.h"
#include "tests/image/safetensors_file.h"
#include "tests/image/sha256.h"

namespace {

using namespace step3;
using image::decodeImage;
using image::Image;
using test::Bytes;

Bytes raw(std::initializer_list<int> values) {
    Bytes out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

Bytes idat(std::initializer_list<int> values) {
    return test::pngChunk("IDAT", test::zlibStored(raw(values)));
}

using Levels = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("the SHA-256 helper computes the standard's test vectors") {
    const auto of = [](std::string_view text) {
        return test::sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    };
    CHECK(of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("golden PNG pictures decode to the golden bytes, JPEG close to them") {
    const Json plans = test::readJson(test::golden() / "images/plans.json");
    std::size_t exact = 0;
    for (const Json& entry : plans.at("images")) {
        const auto file = entry.at("file").get<std::string>();
        INFO(file);
        const Image picture = image::loadImage(test::golden() / "images" / file);
        CHECK(std::vector{picture.width, picture.height} == entry.at("rgb_size").get<std::vector<std::int64_t>>());
        if (file.ends_with(".png")) {
            CHECK(test::sha256(picture.rgb) == entry.at("rgb_sha256").get<std::string>());
            ++exact;
            continue;
        }
        const Image other = image::loadImage(test::goldenPicture(file));
        REQUIRE(other.rgb.size() == picture.rgb.size());
        CHECK(test::sha256(other.rgb) == entry.at("rgb_sha256").get<std::string>());
        double difference = 0;
        for (std::size_t i = 0; i < other.rgb.size(); ++i) difference += std::abs(other.rgb[i] - picture.rgb[i]);
        CHECK(difference / static_cast<double>(other.rgb.size()) < 0.33);
    }
    CHECK(exact > 0);
}

TEST_CASE("grey, alpha, palette and 16-bit PNG become RGB") {
    const auto decode = [](const Bytes& bytes) { return decodeImage(bytes, "p.png").rgb; };
    SECTION("grey is replicated") {
        CHECK(decode(test::pngFile({test::pngHeader(2, 1, 8, 0), idat({0, 7, 250})})) ==
              Levels{7, 7, 7, 250, 250, 250});
    }
    SECTION("one-bit grey spans black and white") {
        CHECK(decode(test::pngFile({test::pngHeader(2, 1, 1, 0), idat({0, 0x40})})) == Levels{0, 0, 0, 255, 255, 255});
    }
    SECTION("grey with alpha over white") {
        CHECK(decode(test::pngFile({test::pngHeader(2, 1, 8, 4), idat({0, 100, 0, 100, 255})})) ==
              Levels{255, 255, 255, 100, 100, 100});
    }
    SECTION("16 bits keep the high byte") {
        CHECK(decode(test::pngFile({test::pngHeader(1, 1, 16, 2), idat({0, 1, 255, 2, 128, 254, 0})})) ==
              Levels{1, 2, 254});
        CHECK(decode(test::pngFile({test::pngHeader(1, 1, 16, 0), idat({0, 77, 200})})) == Levels{77, 77, 77});
    }
    SECTION("palette") {
        const Bytes palette = test::pngChunk("PLTE", raw({1, 2, 3, 4, 5, 6}));
        CHECK(decode(test::pngFile({test::pngHeader(2, 1, 8, 3), palette, idat({0, 1, 0})})) ==
              Levels{4, 5, 6, 1, 2, 3});
        SECTION("with a transparent entry over white") {
            const Bytes transparent = test::pngChunk("tRNS", raw({0, 255}));
            CHECK(decode(test::pngFile({test::pngHeader(2, 1, 8, 3), palette, transparent, idat({0, 1, 0})})) ==
                  Levels{4, 5, 6, 255, 255, 255});
        }
    }
    SECTION("a transparent colour over white") {
        const Bytes transparent = test::pngChunk("tRNS", raw({0, 1, 0, 2, 0, 3}));
        CHECK(decode(test::pngFile({test::pngHeader(2, 1, 8, 2), transparent, idat({0, 1, 2, 3, 9, 8, 7})})) ==
              Levels{255, 255, 255, 9, 8, 7});
    }
}

TEST_CASE("alpha over white is rounded to nearest for every level and alpha") {
    std::vector<std::uint8_t> rgba;
    for (int level = 0; level < 256; ++level) {
        for (int alpha = 0; alpha < 256; ++alpha) {
            rgba.insert(rgba.end(), {static_cast<std::uint8_t>(level), 255, 0, static_cast<std::uint8_t>(alpha)});
        }
    }
    const Image picture = decodeImage(test::pngBytes(rgba.data(), 256, 256, 4), "a.png");
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < 65536; ++i) {
        const double alpha = static_cast<double>(i % 256) / 255.0;
        const double expected = std::nearbyint(static_cast<double>(i / 256) * alpha + 255.0 * (1.0 - alpha));
        wrong += picture.rgb[i * 3] != expected || picture.rgb[i * 3 + 1] != 255 ||
                 picture.rgb[i * 3 + 2] != std::nearbyint(255.0 * (1.0 - alpha));
    }
    CHECK(wrong == 0);
}

TEST_CASE("BMP and the first frame of a GIF are read") {
    const Image picture = test::testPicture(5, 3);
    CHECK(decodeImage(test::bmpBytes(picture), "p.bmp").rgb == picture.rgb);

    // 2x1, global palette red and blue, LZW codes: clear, 1, 0, end (3 bits each).
    const Bytes gif = test::joined({test::bytesOf("GIF89a"), raw({2, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255}),
                                    raw({0x2C, 0, 0, 0, 0, 2, 0, 1, 0, 0, 2, 2, 0x0C, 0x0A, 0, 0x3B})});
    CHECK(decodeImage(gif, "p.gif").rgb == Levels{0, 0, 255, 255, 0, 0});
}

TEST_CASE("WebP pictures decode to what Pillow makes of them") {
    // Lossy and lossless, alpha, EXIF, the first frame of animations, whole and in a part of the canvas.
    const auto folder = test::golden() / "images/webp";
    const Json expected = test::readJson(folder / "expected.json");
    REQUIRE(expected.size() == 13);
    for (const Json& entry : expected) {
        const auto file = entry.at("file").get<std::string>();
        INFO(file);
        const Image picture = image::loadImage(folder / file);
        CHECK(std::vector{picture.width, picture.height} == entry.at("rgb_size").get<std::vector<std::int64_t>>());
        CHECK(test::sha256(picture.rgb) == entry.at("rgb_sha256").get<std::string>());
    }
}

TEST_CASE("WebP pictures keep their pixels whatever chunks are around them") {
    const Image picture = test::testPicture(9, 5);
    const Bytes whole = test::losslessWebpBytes(picture);
    REQUIRE(decodeImage(whole, "p.webp").rgb == picture.rgb);
    const Bytes data = test::webpData(whole);
    const Bytes note = test::webpChunk("NOTE", test::bytesOf("odd"));
    CHECK(decodeImage(test::webpFile({test::webpExtended(0, 9, 5), note, data, note}), "p.webp").rgb == picture.rgb);
    CHECK(decodeImage(test::webpFile({data, note}), "p.webp").rgb == picture.rgb);
    const Bytes frame = test::webpFrame(0, 0, 9, 5, test::joined({note, data, note}));
    CHECK(decodeImage(test::webpFile({test::webpExtended(2, 9, 5), note, frame, note}), "p.webp").rgb == picture.rgb);
    SECTION("without the last chunk's padding") {
        const Bytes padded = test::webpFile({test::webpExtended(0, 9, 5), data, note});
        Bytes bare = test::firstBytes(padded, padded.size() - 1);
        bare[4] = static_cast<std::byte>(std::to_integer<int>(bare[4]) - 1);
        CHECK(decodeImage(bare, "p.webp").rgb == picture.rgb);
    }
}

TEST_CASE("bytes behind the end of a picture do not matter") {
    const Image picture = test::testPicture(17, 9);
    const Bytes junk = test::bytesOf("trailing junk");
    CHECK(decodeImage(test::joined({test::losslessWebpBytes(picture), junk}), "p.webp").rgb == picture.rgb);
    CHECK(decodeImage(test::joined({test::pngBytes(picture), junk}), "p.png").rgb == picture.rgb);
    const Bytes jpeg = test::jpegBytes(picture, 95);
    CHECK(decodeImage(test::joined({jpeg, junk}), "p.jpg").rgb == decodeImage(jpeg, "p.jpg").rgb);
}
