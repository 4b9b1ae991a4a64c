#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/crc.hpp>

#include "engine/image/decode_pixels.h"
#include "engine/image/exif.h"
#include "engine/image/fail.h"
#include "engine/image/image.h"
#include "engine/image/jpeg_check.h"
#include "engine/image/sniff.h"
#include "engine/image/stb_decoder.h"
#include "engine/image/webp_container.h"
#include "engine/image/webp_decoder.h"

namespace step3::image {
namespace {

void checkBytes(std::uint64_t bytes, const std::string& name, const DecodeLimits& limits) {
    if (bytes <= limits.maxBytes) return;
    fail(ErrorCode::kResourceExhausted, name, "a picture file of at most " + std::to_string(limits.maxBytes) + " bytes",
         std::to_string(bytes) + " bytes");
}

void checkSize(std::int64_t width, std::int64_t height, const std::string& name, const DecodeLimits& limits) {
    if (width < 1 || height < 1) {
        fail(ErrorCode::kInvalidData, name, "a picture of at least 1x1 pixels", sizeText(width, height));
    }
    const auto w = static_cast<std::uint64_t>(width);
    const auto h = static_cast<std::uint64_t>(height);
    if (w > limits.maxSide || h > limits.maxSide) {
        fail(ErrorCode::kResourceExhausted, name,
             "a picture of at most " + std::to_string(limits.maxSide) + " pixels a side", sizeText(width, height));
    }
    if (w > limits.maxPixels / h) {
        fail(ErrorCode::kResourceExhausted, name,
             "a picture of at most " + std::to_string(limits.maxPixels) + " pixels", sizeText(width, height));
    }
}

std::uint32_t bigEndian32(std::span<const std::byte> data, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(data[at + i]);
    return value;
}

// stb_image does not look at the checksums of PNG chunks; damage in transit would show as a wrong picture. A critical
// chunk it does not know is told here because stb_image writes its four bytes into memory shared by all threads.
void checkPngChunks(std::span<const std::byte> png, const std::string& name) {
    constexpr std::size_t kAround = 12;  // length, type, checksum
    for (std::size_t at = 8; at + 8 <= png.size();) {
        const std::size_t length = bigEndian32(png, at);
        const std::string_view type(reinterpret_cast<const char*>(png.data()) + at + 4, 4);
        const bool critical = (std::to_integer<unsigned>(png[at + 4]) & 0x20U) == 0;
        if (critical && type != "IHDR" && type != "PLTE" && type != "IDAT" && type != "IEND" && type != "CgBI") {
            fail(ErrorCode::kInvalidData, name, "a PNG picture of the standard's chunks",
                 "an unknown critical chunk at byte " + std::to_string(at));
        }
        if (png.size() - at < kAround || length > png.size() - at - kAround) return;  // cut off: the decoder reports it
        boost::crc_32_type checksum;
        checksum.process_bytes(png.data() + at + 4, length + 4);
        if (checksum.checksum() != bigEndian32(png, at + 8 + length)) {
            fail(ErrorCode::kInvalidData, name, "a PNG picture with intact data",
                 "a wrong checksum in the chunk at byte " + std::to_string(at));
        }
        if (type == "IEND") return;
        at += kAround + length;
    }
}

// stb_image takes four channels without Adobe's marker for YCbCr and a channel to ignore; they are CMYK in practice.
bool isUnmarkedCmyk(std::span<const std::byte> jpeg) {
    bool adobe = false;
    std::size_t at = 2;
    while (at + 9 < jpeg.size() && jpeg[at] == std::byte{0xFF}) {
        const auto marker = std::to_integer<unsigned>(jpeg[at + 1]);
        if (marker == 0xFF) {
            ++at;
            continue;
        }
        const std::size_t length =
            std::to_integer<std::size_t>(jpeg[at + 2]) << 8 | std::to_integer<std::size_t>(jpeg[at + 3]);
        if (marker == 0xEE) adobe = true;
        // Start of frame: length, precision, height, width, number of components.
        if (marker >= 0xC0 && marker <= 0xC2) return jpeg[at + 9] == std::byte{4} && !adobe;
        if (marker == 0xDA || marker == 0xD9 || length < 2) return false;
        at += 2 + length;
    }
    return false;
}

void checkJpeg(std::span<const std::byte> jpeg, const std::string& name) {
    if (isUnmarkedCmyk(jpeg)) {
        fail(ErrorCode::kUnsupported, name, "a JPEG picture in grey, YCbCr, RGB or Adobe CMYK",
             "four channels without Adobe's colour marker");
    }
    if (const std::string defect = jpegDefect(jpeg); !defect.empty())
        fail(ErrorCode::kInvalidData, name, "a complete JPEG picture", "corrupt data (" + defect + ")");
}

[[noreturn]] void failForMemory(std::int64_t width, std::int64_t height, const std::string& name) {
    fail(ErrorCode::kResourceExhausted, name, "memory for " + sizeText(width, height), "too little");
}

// `pixels` as uprightRgb takes them.
Image upright(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, int channels, int bytesPerPixel,
              int orientation, const std::string& name) {
    try {
        return uprightRgb(pixels, width, height, channels, bytesPerPixel, orientation);
    } catch (const std::bad_alloc&) {
        failForMemory(width, height, name);
    }
}

Image decodeWebp(std::span<const std::byte> encoded, const std::string& name, const DecodeLimits& limits) {
    const WebpLayout layout = readWebpLayout(encoded, name);
    checkSize(layout.width, layout.height, name, limits);
    WebpPixels pixels = decodeWithLibwebp(layout);
    if (pixels.outOfMemory) failForMemory(layout.width, layout.height, name);
    if (pixels.data.empty()) {
        fail(ErrorCode::kInvalidData, name, "a complete WebP picture", "corrupt data (" + pixels.failure + ")");
    }
    const int orientation = exifOrientation(encoded, PictureFormat::kWebp);
    if (orientation == 1 && pixels.channels == 3) return {layout.width, layout.height, std::move(pixels.data)};
    return upright(pixels.data.data(), layout.width, layout.height, pixels.channels, pixels.channels, orientation,
                   name);
}

}  // namespace

Image decodeImage(std::span<const std::byte> encoded, const std::string& name, const DecodeLimits& limits) {
    checkBytes(encoded.size(), name, limits);
    const PictureFormat format = sniffFormat(encoded, name);
    if (format == PictureFormat::kWebp) return decodeWebp(encoded, name, limits);
    const std::string complete = std::string("a complete ") + formatName(format) + " picture";
    const std::string ends = "data that ends after " + std::to_string(encoded.size()) + " bytes";

    // The size of a PNG is read here because stb_image reports one that is too large as corrupt.
    if (format == PictureFormat::kPng && encoded.size() >= 24) {
        checkSize(bigEndian32(encoded, 16), bigEndian32(encoded, 20), name, limits);
    }
    if (format == PictureFormat::kPng) checkPngChunks(encoded, name);
    if (format == PictureFormat::kJpeg) checkJpeg(encoded, name);
    bool cutOff = false;
    std::string failure;
    const StbHeader header = readStbHeader(encoded, cutOff, failure);
    if (cutOff) fail(ErrorCode::kInvalidData, name, complete, ends + " in the header");
    if (!failure.empty()) fail(ErrorCode::kInvalidData, name, complete, "a corrupt header (" + failure + ")");
    checkSize(header.width, header.height, name, limits);

    const StbPixels pixels = decodeWithStb(encoded, format == PictureFormat::kJpeg && header.channels == 3);
    if (pixels.cutOff) fail(ErrorCode::kInvalidData, name, complete, ends);
    if (!pixels.data && pixels.failure == "outofmem") failForMemory(header.width, header.height, name);
    if (!pixels.data) fail(ErrorCode::kInvalidData, name, complete, "corrupt data (" + pixels.failure + ")");
    return upright(pixels.data.get(), pixels.width, pixels.height, pixels.channels, pixels.bytesPerPixel,
                   exifOrientation(encoded, format), name);
}

Image loadImage(const std::filesystem::path& file, const DecodeLimits& limits) {
    const std::string name = file.string();
    std::error_code code;
    const auto status = std::filesystem::status(file, code);
    if (status.type() == std::filesystem::file_type::not_found) {
        fail(ErrorCode::kNotFound, name, "a picture file", "no such file");
    }
    if (code) fail(ErrorCode::kIo, name, "a readable picture file", "an error (" + code.message() + ")");
    if (status.type() == std::filesystem::file_type::directory) {
        fail(ErrorCode::kInvalidData, name, "a picture file", "a folder");
    }
    if (status.type() != std::filesystem::file_type::regular) {
        fail(ErrorCode::kInvalidData, name, "a picture file", "a device or pipe");
    }
    const std::uintmax_t bytes = std::filesystem::file_size(file, code);
    if (code) fail(ErrorCode::kIo, name, "a readable picture file", "an error (" + code.message() + ")");
    checkBytes(bytes, name, limits);

    errno = 0;
    std::ifstream stream(file, std::ios::binary);
    if (!stream)
        fail(ErrorCode::kIo, name, "a readable picture file", std::string("an error (") + std::strerror(errno) + ")");
    std::vector<std::byte> encoded(bytes);
    stream.read(reinterpret_cast<char*>(encoded.data()), static_cast<std::streamsize>(encoded.size()));
    if (stream.bad()) fail(ErrorCode::kIo, name, "a readable picture file", "a read error");
    encoded.resize(static_cast<std::size_t>(stream.gcount()));
    return decodeImage(encoded, name, limits);
}

}  // namespace step3::image
