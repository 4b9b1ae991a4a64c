#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "engine/error.h"
#include "engine/image/image.h"
#include "tests/image/picture_bytes.h"

namespace {

using namespace step3;
using image::DecodeLimits;
using test::Bytes;
using test::bytesOf;

struct Case {
    std::string what;
    Bytes bytes;
    ErrorCode code;
    std::string message;  // after "x: "
    DecodeLimits limits{};
};

struct Outcome {
    ErrorCode code;
    std::string message;
};

template <typename Action>
Outcome failureOf(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return {error.code(), error.what()};
    }
    return {ErrorCode::kInternal, "no error"};
}

std::string bytesText(std::size_t count) {
    return std::to_string(count) + " bytes";
}

Bytes changed(Bytes bytes, std::size_t at, int value) {
    bytes.at(at) = static_cast<std::byte>(value);
    return bytes;
}

std::size_t find(const Bytes& in, std::string_view what) {
    const Bytes pattern = bytesOf(what);
    return static_cast<std::size_t>(std::search(in.begin(), in.end(), pattern.begin(), pattern.end()) - in.begin());
}

class Folder {
public:
    Folder() : path_(std::filesystem::temp_directory_path() / ("step3-image-test-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path_);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::filesystem::path write(const std::string& name, const Bytes& bytes) const {
        std::ofstream(path_ / name, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return path_ / name;
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("malformed pictures are refused, each with what was expected and what was found") {
    const image::Image picture = test::testPicture(40, 30);
    const Bytes png = test::pngBytes(picture);
    const Bytes jpeg = test::jpegBytes(picture, 90);
    const Bytes bmp = test::bmpBytes(picture);
    const std::string reads = "expected a PNG, JPEG, WebP, GIF or BMP picture, found ";
    const auto bad = ErrorCode::kInvalidData;
    const auto unsupported = ErrorCode::kUnsupported;
    const auto tooLarge = ErrorCode::kResourceExhausted;
    const auto cut = [](const char* format, std::size_t at, const char* where = "") {
        return std::string("expected a complete ") + format + " picture, found data that ends after " + bytesText(at) +
               where;
    };
    const std::size_t pngData = find(png, "IDAT");
    const std::size_t jpegScan = find(jpeg, "\xFF\xDA");
    REQUIRE(jpegScan + 20 < jpeg.size());
    const std::size_t jpegHuffman = find(jpeg, "\xFF\xC4");
    const std::size_t jpegQuantisation = find(jpeg, "\xFF\xDB");
    REQUIRE((jpegQuantisation < jpegHuffman && jpegHuffman < jpegScan));
    const auto jpegIs = [](const std::string& what) {
        return "expected a complete JPEG picture, found corrupt data (" + what + ")";
    };

    DecodeLimits smallFile, fewPixels, shortSides;
    smallFile.maxBytes = 100;
    fewPixels.maxPixels = 1199;
    shortSides.maxSide = 39;

    const std::vector<Case> cases{
        {"empty", {}, bad, reads + "an empty file"},
        {"text", bytesOf("hello, world"), bad, reads + "12 bytes of text"},
        {"one letter", bytesOf("B"), bad, reads + "1 byte of text"},
        {"text that starts like a BMP", bytesOf("BMW is a car, and this is a note"), bad, reads + "32 bytes of text"},
        {"binary", bytesOf("\x01\x02\xAB\xCD\xEF"), bad, reads + "5 bytes starting with 01 02 AB CD"},
        {"half a PNG signature", test::firstBytes(png, 4), bad, reads + "4 bytes starting with 89 50 4E 47"},
        {"sound in WebP's container", bytesOf("RIFF....WAVE"), bad, reads + "12 bytes of text"},
        {"TIFF", bytesOf(std::string_view("II*\0....", 8)), unsupported, reads + "a TIFF picture"},
        {"ICO", bytesOf(std::string_view("\0\0\1\0\1\0....", 10)), unsupported, reads + "an icon file"},
        {"PNM", bytesOf("P6\n1 1\n255\nabc"), unsupported, reads + "a PNM picture"},
        {"HEIC", bytesOf("....ftypheic"), unsupported, reads + "a HEIC picture"},
        {"PDF", bytesOf("%PDF-1.7"), unsupported, reads + "a PDF document"},
        {"SVG", bytesOf("<svg/>"), unsupported, reads + "an SVG drawing"},
        {"PNG signature only", test::firstBytes(png, 8), bad, cut("PNG", 8, " in the header")},
        {"PNG cut in the header", test::firstBytes(png, 20), bad, cut("PNG", 20, " in the header")},
        {"PNG cut before the data", test::firstBytes(png, pngData - 4), bad, cut("PNG", pngData - 4)},
        {"PNG cut in the data", test::firstBytes(png, pngData + 50), bad, cut("PNG", pngData + 50)},
        {"PNG without its end", test::firstBytes(png, png.size() - 12), bad, cut("PNG", png.size() - 12)},
        {"PNG cut in its last checksum", test::firstBytes(png, png.size() - 1), bad, cut("PNG", png.size() - 1)},
        {"PNG with a wrong checksum", changed(png, pngData + 20, 0x55), bad,
         "expected a PNG picture with intact data, found a wrong checksum in the chunk at byte " +
             std::to_string(pngData - 4)},
        {"PNG of 0x0", test::pngFile({test::pngHeader(0, 0, 8, 2)}), bad,
         "expected a picture of at least 1x1 pixels, found 0x0 pixels"},
        {"PNG of 5x0", test::pngFile({test::pngHeader(5, 0, 8, 2)}), bad,
         "expected a picture of at least 1x1 pixels, found 5x0 pixels"},
        {"PNG with a huge side", test::pngFile({test::pngHeader(4'000'000'000U, 1, 8, 2)}), tooLarge,
         "expected a picture of at most 65535 pixels a side, found 4000000000x1 pixels"},
        {"PNG of 400 megapixels", test::pngFile({test::pngHeader(20000, 20000, 8, 2)}), tooLarge,
         "expected a picture of at most 178956970 pixels, found 20000x20000 pixels"},
        {"PNG of an unknown colour type", test::pngFile({test::pngHeader(2, 2, 8, 5)}), bad,
         "expected a complete PNG picture, found a corrupt header (bad ctype)"},
        {"PNG of a missing palette", test::pngFile({test::pngHeader(2, 2, 8, 3), test::pngChunk("IDAT", {})}), bad,
         "expected a complete PNG picture, found a corrupt header (no PLTE)"},
        {"PNG of an unknown critical chunk", test::pngFile({test::pngHeader(2, 2, 8, 0), test::pngChunk("A\nB\n", {})}),
         bad, "expected a PNG picture of the standard's chunks, found an unknown critical chunk at byte 33"},
        {"PNG of too few rows",
         test::pngFile({test::pngHeader(2, 2, 8, 0), test::pngChunk("IDAT", test::zlibStored(Bytes(3)))}), bad,
         "expected a complete PNG picture, found corrupt data (not enough pixels)"},
        {"PNG of broken compression",
         test::pngFile({test::pngHeader(2, 2, 8, 0), test::pngChunk("IDAT", bytesOf("nonsense"))}), bad,
         "expected a complete PNG picture, found corrupt data (bad zlib header)"},
        {"JPEG start only", test::firstBytes(jpeg, 3), bad, cut("JPEG", 3, " in the header")},
        {"JPEG cut in the header", test::firstBytes(jpeg, 100), bad, cut("JPEG", 100, " in the header")},
        {"JPEG cut before the scan", test::firstBytes(jpeg, jpegScan), bad, cut("JPEG", jpegScan)},
        {"JPEG cut in the scan", test::firstBytes(jpeg, jpegScan + 40), bad, cut("JPEG", jpegScan + 40)},
        {"JPEG without its end", test::firstBytes(jpeg, jpeg.size() - 2), bad, cut("JPEG", jpeg.size() - 2)},
        {"JPEG cut in its end", test::firstBytes(jpeg, jpeg.size() - 1), bad, cut("JPEG", jpeg.size() - 1)},
        {"JPEG of a Huffman table too large", changed(jpeg, jpegHuffman + 20, 255), bad,
         jpegIs("a Huffman table of 267 symbols")},
        {"JPEG of a Huffman table cut short", changed(changed(jpeg, jpegHuffman + 2, 0), jpegHuffman + 3, 8), bad,
         jpegIs("a Huffman table cut off by its segment's end")},
        {"JPEG without Huffman tables", changed(jpeg, jpegHuffman + 1, 0xFE), bad,
         jpegIs("a scan that uses DC Huffman table 0, which is not defined")},
        {"JPEG of an undefined AC table", changed(jpeg, jpegScan + 6, 0x02), bad,
         jpegIs("a scan that uses AC Huffman table 2, which is not defined")},
        {"JPEG without quantisation tables", changed(jpeg, jpegQuantisation + 1, 0xFE), bad,
         jpegIs("a scan that uses quantisation table 0, which is not defined")},
        {"JPEG of a component in no scan", changed(jpeg, jpegScan + 7, 1), bad, jpegIs("no scan for component 2")},
        {"progressive JPEG of details alone",
         changed(changed(jpeg, find(jpeg, "\xFF\xC0") + 1, 0xC2), jpegScan + 11, 1), bad,
         jpegIs("a scan of component 1 before its first coefficients")},
        {"BMP cut in the header", test::firstBytes(bmp, 20), bad, cut("BMP", 20, " in the header")},
        {"BMP cut in the data", test::firstBytes(bmp, bmp.size() / 2), bad, cut("BMP", bmp.size() / 2)},
        {"GIF cut in the header", bytesOf("GIF89a\x02"), bad, cut("GIF", 7, " in the header")},
        {"file above the limit", png, tooLarge,
         "expected a picture file of at most 100 bytes, found " + bytesText(png.size()), smallFile},
        {"pixels above the limit", png, tooLarge, "expected a picture of at most 1199 pixels, found 40x30 pixels",
         fewPixels},
        {"pixels above the limit, JPEG", jpeg, tooLarge,
         "expected a picture of at most 1199 pixels, found 40x30 pixels", fewPixels},
        {"side above the limit", bmp, tooLarge, "expected a picture of at most 39 pixels a side, found 40x30 pixels",
         shortSides},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        const Outcome outcome = failureOf([&] { image::decodeImage(c.bytes, "x", c.limits); });
        CHECK(outcome.message == "x: " + c.message);
        CHECK(outcome.code == c.code);
    }
}

TEST_CASE("malformed WebP pictures are refused, each with what was expected and what was found") {
    const image::Image picture = test::testPicture(40, 30);
    const Bytes lossy = test::webpBytes(picture, 80);
    const Bytes lossless = test::losslessWebpBytes(picture);
    const Bytes data = test::webpData(lossy);
    const Bytes losslessData = test::webpData(lossless);
    const Bytes bits(data.begin() + 8, data.end());
    const Bytes losslessBits(losslessData.begin() + 8, losslessData.end());
    const Bytes alpha = test::webpChunk("ALPH", bytesOf("\x01nonsense"));
    const Bytes still = test::webpExtended(0, 40, 30);
    const Bytes moving = test::webpExtended(2, 40, 30);
    const Bytes loop = test::webpChunk("ANIM", Bytes(6));
    const auto file = [](std::initializer_list<Bytes> chunks) { return test::webpFile(chunks); };
    const auto vp8 = [&](const Bytes& body) { return test::webpFile({test::webpChunk("VP8 ", body)}); };
    const auto vp8l = [&](const Bytes& body) { return test::webpFile({test::webpChunk("VP8L", body)}); };
    const auto bad = ErrorCode::kInvalidData;
    const auto tooLarge = ErrorCode::kResourceExhausted;
    const auto cut = [](std::size_t at, std::size_t of) {
        return "expected a complete WebP picture, found data that ends after " + bytesText(at) + " of " +
               std::to_string(of);
    };
    const auto overrun = [](std::size_t size, std::size_t at, std::size_t left) {
        return "expected a WebP picture whose chunks fit into it, found a chunk of " + bytesText(size) + " at byte " +
               std::to_string(at) + " with " + bytesText(left) + " left";
    };
    const std::string corrupt = "expected a complete WebP picture, found corrupt data ";

    DecodeLimits smallFile, fewPixels, shortSides;
    smallFile.maxBytes = 20;
    fewPixels.maxPixels = 1199;
    shortSides.maxSide = 39;

    const std::vector<Case> cases{
        {"head only", test::firstBytes(lossy, 12), bad, cut(12, lossy.size())},
        {"cut in the chunk's head", test::firstBytes(lossy, 18), bad, cut(18, lossy.size())},
        {"cut in the data", test::firstBytes(lossy, 100), bad, cut(100, lossy.size())},
        {"cut in its last byte", test::firstBytes(lossless, lossless.size() - 1), bad,
         cut(lossless.size() - 1, lossless.size())},
        {"no chunks", file({}), bad,
         "expected a WebP picture of at least one chunk, found a file that declares 12 bytes"},
        {"declares 0 bytes", changed(changed(lossy, 4, 0), 5, 0), bad,
         "expected a WebP picture of at least one chunk, found a file that declares 8 bytes"},
        {"declares 4 GB", changed(lossy, 7, 255), bad, cut(lossy.size(), lossy.size() + (std::size_t{255} << 24))},
        {"another first chunk", file({loop, data}), bad,
         "expected a WebP picture that starts with a chunk VP8, VP8L or VP8X, found another chunk"},
        {"lossy chunk too long", changed(lossy, 18, 9), bad,
         overrun(bits.size() + (std::size_t{9} << 16), 12, bits.size() + bits.size() % 2)},
        {"lossy data cut in the header", vp8(test::firstBytes(bits, 9)), bad,
         "expected lossy WebP data of at least 10 bytes, found 9 bytes in the chunk at byte 12"},
        {"lossy data cut after the header", vp8(test::firstBytes(bits, 10)), bad,
         corrupt + "(a bitstream that is invalid or ends early)"},
        {"lossy data cut in the middle", vp8(test::firstBytes(bits, bits.size() / 2)), bad,
         corrupt + "(it ends before the last row)"},
        {"not a key frame", vp8(changed(bits, 0, std::to_integer<int>(bits[0]) | 1)), bad,
         "expected a WebP key frame, found another kind of frame in the chunk at byte 12"},
        {"no start code", vp8(changed(bits, 4, 0)), bad,
         "expected lossy WebP data with its start code, found another in the chunk at byte 12"},
        {"lossy of width 0", vp8(changed(bits, 6, 0)), bad,
         "expected a picture of at least 1x1 pixels, found 0x30 pixels"},
        {"lossy of height 0", vp8(changed(bits, 8, 0)), bad,
         "expected a picture of at least 1x1 pixels, found 40x0 pixels"},
        {"lossy of other sizes", vp8(changed(bits, 6, 200)), bad, corrupt + "(it ends before the last row)"},
        {"lossy of 268 megapixels", vp8(changed(changed(changed(changed(bits, 6, 255), 7, 63), 8, 255), 9, 63)),
         tooLarge, "expected a picture of at most 178956970 pixels, found 16383x16383 pixels"},
        {"lossless data cut in the header", vp8l(test::firstBytes(losslessBits, 4)), bad,
         "expected lossless WebP data of at least 5 bytes, found 4 bytes in the chunk at byte 12"},
        {"lossless data cut after the header", vp8l(test::firstBytes(losslessBits, 5)), bad,
         corrupt + "(a bitstream that is invalid or ends early)"},
        {"lossless data cut in the middle", vp8l(test::firstBytes(losslessBits, losslessBits.size() / 2)), bad,
         corrupt + "(a bitstream that is invalid or ends early)"},
        {"lossless without its signature", vp8l(changed(losslessBits, 0, 0)), bad,
         "expected lossless WebP data with its signature, found another in the chunk at byte 12"},
        {"lossless of another version", vp8l(changed(losslessBits, 4, 0xE0)), bad,
         corrupt + "(a bitstream that is invalid or ends early)"},
        {"lossless of 268 megapixels",
         vp8l(changed(changed(changed(changed(losslessBits, 1, 255), 2, 255), 3, 255), 4, 15)), tooLarge,
         "expected a picture of at most 178956970 pixels, found 16384x16384 pixels"},
        {"VP8X of 9 bytes", file({test::webpChunk("VP8X", Bytes(9)), data}), bad,
         "expected a chunk VP8X of 10 bytes, found 9 bytes"},
        {"VP8X alone", file({still}), bad, "expected a WebP picture with a chunk VP8 or VP8L, found none"},
        {"VP8X of another canvas", file({test::webpExtended(0, 41, 30), data}), bad,
         "expected a WebP picture of the size of its canvas, 41x30 pixels, found 40x30 pixels"},
        {"VP8X of the largest canvas", file({test::webpExtended(0, 1 << 24, 1 << 24), losslessData}), bad,
         "expected a WebP picture of the size of its canvas, 16777216x16777216 pixels, found 40x30 pixels"},
        {"frames that VP8X does not announce", file({still, loop, test::webpFrame(0, 0, 40, 30, data)}), bad,
         "expected a WebP picture with a chunk VP8 or VP8L, found none"},
        {"chunk before the picture too long", file({still, changed(loop, 5, 1), data}), bad,
         overrun(262, 30, 6 + data.size())},
        {"alpha that is none", file({still, alpha, data}), bad,
         corrupt + "(a bitstream that is invalid or ends early)"},
        {"animation without frames", file({moving, loop}), bad,
         "expected an animated WebP picture with a frame (chunk ANMF), found none"},
        {"animation of a picture that is no frame", file({moving, loop, data}), bad,
         "expected an animated WebP picture with a frame (chunk ANMF), found none"},
        {"animation of a short frame", file({moving, loop, test::webpChunk("ANMF", Bytes(15))}), bad,
         "expected a chunk ANMF of at least 16 bytes, found 15 bytes"},
        {"animation of an empty frame", file({moving, loop, test::webpFrame(0, 0, 40, 30, {})}), bad,
         "expected a WebP frame with a chunk VP8 or VP8L, found none"},
        {"animation of a frame of another size", file({moving, loop, test::webpFrame(0, 0, 40, 29, data)}), bad,
         "expected WebP data of the size of its frame, 40x29 pixels, found 40x30 pixels"},
        {"animation of a frame beside its canvas", file({moving, loop, test::webpFrame(2, 0, 40, 30, data)}), bad,
         "expected a WebP frame within its canvas of 40x30 pixels, found 40x30 pixels at 2,0"},
        {"animation of a frame whose data is cut off",
         file({moving, loop, test::webpFrame(0, 0, 40, 30, test::firstBytes(data, data.size() / 2))}), bad,
         overrun(bits.size(), 68, data.size() / 2 - 8)},
        {"animation on a canvas of 4 gigapixels",
         file({test::webpExtended(2, 65535, 65535), loop, test::webpFrame(0, 0, 40, 30, data)}), tooLarge,
         "expected a picture of at most 178956970 pixels, found 65535x65535 pixels"},
        {"animation on a canvas too wide",
         file({test::webpExtended(2, 1 << 24, 30), loop, test::webpFrame(0, 0, 40, 30, data)}), tooLarge,
         "expected a picture of at most 65535 pixels a side, found 16777216x30 pixels"},
        {"file above the limit", lossy, tooLarge,
         "expected a picture file of at most 20 bytes, found " + bytesText(lossy.size()), smallFile},
        {"pixels above the limit", lossy, tooLarge, "expected a picture of at most 1199 pixels, found 40x30 pixels",
         fewPixels},
        {"side above the limit", lossless, tooLarge,
         "expected a picture of at most 39 pixels a side, found 40x30 pixels", shortSides},
    };
    for (const Case& c : cases) {
        INFO(c.what);
        const Outcome outcome = failureOf([&] { image::decodeImage(c.bytes, "x", c.limits); });
        CHECK(outcome.message == "x: " + c.message);
        CHECK(outcome.code == c.code);
    }
}

TEST_CASE("a picture cut off at any byte is refused") {
    const image::Image picture = test::testPicture(23, 17);
    for (const Bytes& whole : {test::pngBytes(picture), test::jpegBytes(picture, 80), test::bmpBytes(picture),
                               test::webpBytes(picture, 80), test::losslessWebpBytes(picture),
                               test::withWebpExif(test::webpBytes(picture, 80), 23, 17, test::exifTiff(true, 6))}) {
        REQUIRE_NOTHROW(image::decodeImage(whole, "x"));
        std::size_t accepted = 0;
        for (std::size_t size = 0; size < whole.size(); ++size) {
            accepted +=
                failureOf([&] { image::decodeImage(test::firstBytes(whole, size), "x"); }).message == "no error";
        }
        CHECK(accepted == 0);
    }
}

TEST_CASE("four-channel JPEG without Adobe's marker is refused instead of shown in wrong colours") {
    // A frame header of four components behind the start of the file is all that is looked at.
    Bytes header =
        bytesOf(std::string_view("\xFF\xD8\xFF\xC0\x00\x14\x08\x00\x01\x00\x01\x04\x01\x11\x00\x02\x11\x00"
                                 "\x03\x11\x00\x04\x11\x00\xFF\xD9",
                                 26));
    const Outcome outcome = failureOf([&] { image::decodeImage(header, "x"); });
    CHECK(outcome.code == ErrorCode::kUnsupported);
    CHECK(outcome.message ==
          "x: expected a JPEG picture in grey, YCbCr, RGB or Adobe CMYK, found four channels without Adobe's colour "
          "marker");
}

TEST_CASE("files that cannot be pictures are named") {
    const Folder folder;
    const Bytes png = test::pngBytes(test::testPicture(4, 4));
    const auto load = [](const std::filesystem::path& file, const DecodeLimits& limits = {}) {
        return failureOf([&] { image::loadImage(file, limits); });
    };
    SECTION("missing") {
        const auto file = folder.path() / "none.png";
        const Outcome outcome = load(file);
        CHECK(outcome.code == ErrorCode::kNotFound);
        CHECK(outcome.message == file.string() + ": expected a picture file, found no such file");
    }
    SECTION("below a file") {
        const Outcome outcome = load(folder.write("a.png", png) / "b.png");
        CHECK(outcome.message ==
              (folder.path() / "a.png/b.png").string() + ": expected a picture file, found no such file");
    }
    SECTION("a folder") {
        CHECK(load(folder.path()).message == folder.path().string() + ": expected a picture file, found a folder");
    }
    SECTION("a device") {
        CHECK(load("/dev/null").message == "/dev/null: expected a picture file, found a device or pipe");
    }
    SECTION("empty") {
        const auto file = folder.write("empty.png", {});
        CHECK(load(file).message ==
              file.string() + ": expected a PNG, JPEG, WebP, GIF or BMP picture, found an empty file");
    }
    SECTION("too large, told before it is read") {
        const auto file = folder.write("large.png", png);
        DecodeLimits limits;
        limits.maxBytes = 10;
        const Outcome outcome = load(file, limits);
        CHECK(outcome.code == ErrorCode::kResourceExhausted);
        CHECK(outcome.message ==
              file.string() + ": expected a picture file of at most 10 bytes, found " + bytesText(png.size()));
    }
    SECTION("the name of the contents does not matter") {
        CHECK(image::loadImage(folder.write("picture.txt", png)).width == 4);
    }
}
