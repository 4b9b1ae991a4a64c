#include "engine/image/sniff.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "engine/error.h"
#include "engine/utf8.h"

namespace step3::image {
namespace {

using namespace std::string_view_literals;

bool hasBytes(std::span<const std::byte> data, std::size_t offset, std::string_view bytes) {
    return data.size() >= offset + bytes.size() &&
           std::equal(bytes.begin(), bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(offset),
                      [](char c, std::byte b) { return static_cast<std::byte>(c) == b; });
}

struct OtherFormat {
    std::size_t offset;
    std::string_view bytes;
    const char* name;
};

// Kinds of file a user may well take for a picture that is read.
constexpr OtherFormat kOtherFormats[] = {
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {0, "P2\n"sv, "a PNM picture"},
    {0, "P3\n"sv, "a PNM picture"},
    {0, "P5\n"sv, "a PNM picture"},
    {0, "P6\n"sv, "a PNM picture"},
    {4, "ftypavif"sv, "an AVIF picture"},
    {4, "ftyphei"sv, "a HEIC picture"},
    {4, "ftypmif1"sv, "a HEIF picture"},
    {4, "ftyp"sv, "a video"},
    {0, "8BPS"sv, "a Photoshop file"},
    {0, "#?RADIANCE"sv, "a Radiance HDR picture"},
    {0, "\0\0\1\0"sv, "an icon file"},
    {0, "\0\0\0\x0CjP  "sv, "a JPEG 2000 picture"},
    {0, "\0\0\0\x0CJXL "sv, "a JPEG XL picture"},
    {0, "\xFF\x0A"sv, "a JPEG XL picture"},
    {0, "%PDF-"sv, "a PDF document"},
    {0, "<svg"sv, "an SVG drawing"},
    {0, "\x1F\x8B"sv, "gzip-compressed data"},
    {0, "PK\3\4"sv, "a ZIP archive"},
};

// Whether bytes, which may be cut off at the end, are UTF-8 without control characters.
bool isText(std::string_view data) {
    while (!data.empty()) {
        const int length = utf8Length(data);
        if (length == 0) return true;
        const auto c = static_cast<unsigned char>(data.front());
        if (length < 0 || c == 0x7F || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) return false;
        data.remove_prefix(static_cast<std::size_t>(length));
    }
    return true;
}

// What bytes that belong to no known kind of file look like.
std::string describeBytes(std::span<const std::byte> data) {
    const std::string size = std::to_string(data.size()) + (data.size() == 1 ? " byte" : " bytes");
    const std::string_view chars(reinterpret_cast<const char*>(data.data()), data.size());
    if (isText(chars.substr(0, 512))) return size + " of text";
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string hex;
    for (const std::byte b : data.first(std::min<std::size_t>(data.size(), 4))) {
        const auto value = std::to_integer<unsigned>(b);
        hex += ' ';
        hex += kDigits[value >> 4];
        hex += kDigits[value & 15];
    }
    return size + " starting with" + hex;
}

}  // namespace

const char* formatName(PictureFormat format) {
    switch (format) {
        case PictureFormat::kPng: return "PNG";
        case PictureFormat::kJpeg: return "JPEG";
        case PictureFormat::kWebp: return "WebP";
        case PictureFormat::kGif: return "GIF";
        case PictureFormat::kBmp: return "BMP";
    }
    return "unknown";
}

PictureFormat sniffFormat(std::span<const std::byte> encoded, const std::string& name) {
    if (encoded.empty())
        throw Error(ErrorCode::kInvalidData, name + ": expected " + kReadFormats + ", found an empty file");
    if (hasBytes(encoded, 0, "\x89PNG\r\n\x1A\n"sv)) return PictureFormat::kPng;
    if (hasBytes(encoded, 0, "\xFF\xD8\xFF"sv)) return PictureFormat::kJpeg;
    if (hasBytes(encoded, 0, "RIFF"sv) && hasBytes(encoded, 8, "WEBP"sv)) return PictureFormat::kWebp;
    if (hasBytes(encoded, 0, "GIF87a"sv) || hasBytes(encoded, 0, "GIF89a"sv)) return PictureFormat::kGif;
    // "BM" alone could be text; the four reserved bytes of a BMP file are zero.
    if (hasBytes(encoded, 0, "BM"sv) && hasBytes(encoded, 6, "\0\0\0\0"sv)) return PictureFormat::kBmp;
    for (const OtherFormat& other : kOtherFormats) {
        if (hasBytes(encoded, other.offset, other.bytes)) {
            throw Error(ErrorCode::kUnsupported, name + ": expected " + kReadFormats + ", found " + other.name);
        }
    }
    throw Error(ErrorCode::kInvalidData, name + ": expected " + kReadFormats + ", found " + describeBytes(encoded));
}

}  // namespace step3::image
