#include "tests/image/picture_bytes.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <boost/crc.hpp>
#include <webp/encode.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

namespace step3::test {
namespace {

void appendTo(void* context, void* data, int size) {
    auto& out = *static_cast<Bytes*>(context);
    const auto* bytes = static_cast<const std::byte*>(data);
    out.insert(out.end(), bytes, bytes + size);
}

Bytes number(std::uint32_t value, int bytes, bool bigEndian) {
    Bytes out;
    for (int i = 0; i < bytes; ++i) {
        const int shift = bigEndian ? 8 * (bytes - 1 - i) : 8 * i;
        out.push_back(static_cast<std::byte>(value >> shift & 0xFF));
    }
    return out;
}

// What libwebp's encoders leave behind.
Bytes takenFromLibwebp(std::uint8_t* data, std::size_t size) {
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    Bytes out(bytes, bytes + size);
    WebPFree(data);
    return out;
}

Bytes inserted(const Bytes& into, std::size_t at, const Bytes& what) {
    Bytes out = into;
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), what.begin(), what.end());
    return out;
}

}  // namespace

Bytes bytesOf(std::string_view text) {
    Bytes out(text.size());
    std::transform(text.begin(), text.end(), out.begin(), [](char c) { return static_cast<std::byte>(c); });
    return out;
}

Bytes readBytes(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return bytesOf(std::string(std::istreambuf_iterator<char>(stream), {}));
}

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
}

Bytes firstBytes(const Bytes& bytes, std::size_t count) {
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
}

image::Image testPicture(std::int64_t width, std::int64_t height) {
    image::Image picture{width, height, {}};
    for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
            picture.rgb.push_back(static_cast<std::uint8_t>(x * 255 / std::max<std::int64_t>(1, width - 1)));
            picture.rgb.push_back(static_cast<std::uint8_t>(y * 255 / std::max<std::int64_t>(1, height - 1)));
            picture.rgb.push_back(static_cast<std::uint8_t>(128 + 100 * (x * 2 < width) - 60 * (y * 2 < height)));
        }
    }
    return picture;
}

Bytes pngBytes(const std::uint8_t* pixels, int width, int height, int channels) {
    Bytes out;
    stbi_write_png_to_func(appendTo, &out, width, height, channels, pixels, width * channels);
    return out;
}

Bytes pngBytes(const image::Image& image) {
    return pngBytes(image.rgb.data(), static_cast<int>(image.width), static_cast<int>(image.height), 3);
}

Bytes jpegBytes(const image::Image& image, int quality) {
    Bytes out;
    stbi_write_jpg_to_func(appendTo, &out, static_cast<int>(image.width), static_cast<int>(image.height), 3,
                           image.rgb.data(), quality);
    return out;
}

Bytes bmpBytes(const image::Image& image) {
    Bytes out;
    stbi_write_bmp_to_func(appendTo, &out, static_cast<int>(image.width), static_cast<int>(image.height), 3,
                           image.rgb.data());
    return out;
}

Bytes webpBytes(const image::Image& image, float quality) {
    std::uint8_t* data = nullptr;
    const std::size_t size =
        WebPEncodeRGB(image.rgb.data(), static_cast<int>(image.width), static_cast<int>(image.height),
                      static_cast<int>(image.width) * 3, quality, &data);
    return takenFromLibwebp(data, size);
}

Bytes losslessWebpBytes(const image::Image& image) {
    std::uint8_t* data = nullptr;
    const std::size_t size =
        WebPEncodeLosslessRGB(image.rgb.data(), static_cast<int>(image.width), static_cast<int>(image.height),
                              static_cast<int>(image.width) * 3, &data);
    return takenFromLibwebp(data, size);
}

Bytes pngChunk(std::string_view type, const Bytes& data) {
    const Bytes body = joined({bytesOf(type), data});
    boost::crc_32_type checksum;
    checksum.process_bytes(body.data(), body.size());
    return joined(
        {number(static_cast<std::uint32_t>(data.size()), 4, true), body, number(checksum.checksum(), 4, true)});
}

Bytes pngHeader(std::uint32_t width, std::uint32_t height, int bits, int colour) {
    return pngChunk("IHDR", joined({number(width, 4, true),
                                    number(height, 4, true),
                                    {static_cast<std::byte>(bits), static_cast<std::byte>(colour), {}, {}, {}}}));
}

Bytes pngFile(std::initializer_list<Bytes> chunks) {
    return joined({bytesOf("\x89PNG\r\n\x1A\n"), joined(chunks), pngChunk("IEND", {})});
}

Bytes zlibStored(const Bytes& raw) {
    std::uint32_t a = 1, b = 0;  // Adler-32
    for (const std::byte value : raw) {
        a = (a + std::to_integer<std::uint32_t>(value)) % 65521;
        b = (b + a) % 65521;
    }
    const auto size = static_cast<std::uint32_t>(raw.size());
    return joined({{std::byte{0x78}, std::byte{0x01}, std::byte{1}},
                   number(size, 2, false),
                   number(~size & 0xFFFF, 2, false),
                   raw,
                   number(b << 16 | a, 4, true)});
}

Bytes webpNumber(std::int64_t value) {
    return number(static_cast<std::uint32_t>(value), 3, false);
}

Bytes webpChunk(std::string_view type, const Bytes& data) {
    return joined(
        {bytesOf(type), number(static_cast<std::uint32_t>(data.size()), 4, false), data, Bytes(data.size() % 2)});
}

Bytes webpFile(std::initializer_list<Bytes> chunks) {
    return webpChunk("RIFF", joined({bytesOf("WEBP"), joined(chunks)}));
}

Bytes webpExtended(int flags, std::int64_t width, std::int64_t height) {
    return webpChunk(
        "VP8X", joined({{static_cast<std::byte>(flags), {}, {}, {}}, webpNumber(width - 1), webpNumber(height - 1)}));
}

Bytes webpFrame(std::int64_t left, std::int64_t top, std::int64_t width, std::int64_t height, const Bytes& data) {
    return webpChunk("ANMF", joined({webpNumber(left / 2), webpNumber(top / 2), webpNumber(width - 1),
                                     webpNumber(height - 1), webpNumber(100), Bytes(1), data}));
}

Bytes webpData(const Bytes& webp) {
    return {webp.begin() + 12, webp.end()};
}

Bytes exifTiff(bool bigEndian, std::uint16_t orientation) {
    const auto n = [bigEndian](std::uint32_t value, int bytes) { return number(value, bytes, bigEndian); };
    return joined({bytesOf(bigEndian ? "MM" : "II"), n(42, 2), n(8, 4), n(1, 2), n(0x0112, 2), n(3, 2), n(1, 4),
                   n(orientation, 2), n(0, 2), n(0, 4)});
}

Bytes withJpegExif(const Bytes& jpeg, const Bytes& tiff) {
    const Bytes body = joined({bytesOf(std::string_view("Exif\0\0", 6)), tiff});
    const Bytes segment = joined(
        {{std::byte{0xFF}, std::byte{0xE1}}, number(static_cast<std::uint32_t>(body.size() + 2), 2, true), body});
    return inserted(jpeg, 2, segment);
}

Bytes withPngExif(const Bytes& png, const Bytes& tiff) {
    return inserted(png, 8 + 25, pngChunk("eXIf", tiff));  // signature, header chunk
}

Bytes withWebpExif(const Bytes& webp, std::int64_t width, std::int64_t height, const Bytes& exif) {
    return webpFile({webpExtended(8, width, height), webpData(webp), webpChunk("EXIF", exif)});
}

}  // namespace step3::test
