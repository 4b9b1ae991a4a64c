#include "engine/image/exif.h"

#include <cstdint>
#include <cstring>
#include <optional>

namespace step3::image {
namespace {

using Bytes = std::span<const std::byte>;

// Big- or little-endian reads that fail instead of leaving the data.
class Reader {
public:
    Reader(Bytes data, bool bigEndian) : data_(data), bigEndian_(bigEndian) {}

    [[nodiscard]] std::optional<std::uint32_t> read(std::size_t offset, std::size_t bytes) const {
        if (offset > data_.size() || bytes > data_.size() - offset) return std::nullopt;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            const std::size_t at = bigEndian_ ? offset + i : offset + bytes - 1 - i;
            value = value << 8 | std::to_integer<std::uint32_t>(data_[at]);
        }
        return value;
    }

private:
    Bytes data_;
    bool bigEndian_;
};

bool startsWith(Bytes data, const char* text, std::size_t size) {
    return data.size() >= size && std::memcmp(data.data(), text, size) == 0;
}

// A TIFF structure: byte order, 42, offset of the first directory; its entries are 12 bytes: tag, type, count, value.
int orientationOfTiff(Bytes tiff) {
    constexpr std::uint32_t kOrientationTag = 0x0112, kByte = 1, kShort = 3, kLong = 4;
    const bool big = startsWith(tiff, "MM", 2);
    if (!big && !startsWith(tiff, "II", 2)) return 1;
    const Reader reader(tiff, big);
    const auto directory = reader.read(4, 4);
    if (reader.read(2, 2) != 42U || !directory) return 1;
    const auto entries = reader.read(*directory, 2);
    if (!entries) return 1;
    for (std::uint32_t i = 0; i < *entries; ++i) {
        const std::size_t entry = std::size_t{*directory} + 2 + std::size_t{i} * 12;
        const auto tag = reader.read(entry, 2);
        if (!tag) return 1;
        if (*tag != kOrientationTag) continue;
        const auto type = reader.read(entry + 2, 2);
        const std::size_t size = type == kByte ? 1 : type == kShort ? 2 : type == kLong ? 4 : 0;
        const auto value = size == 0 ? std::nullopt : reader.read(entry + 8, size);
        return value && *value >= 1 && *value <= 8 && reader.read(entry + 4, 4) == 1U ? static_cast<int>(*value) : 1;
    }
    return 1;
}

int orientationOfJpeg(Bytes jpeg) {
    const Reader reader(jpeg, true);
    std::size_t at = 2;  // after SOI
    for (;;) {
        const auto prefix = reader.read(at, 1);
        const auto marker = reader.read(at + 1, 1);
        if (prefix != 0xFFU || !marker) return 1;
        if (*marker == 0xFF) {  // fill byte
            ++at;
            continue;
        }
        if (*marker == 0xDA || *marker == 0xD9) return 1;  // scan or end: no header follows
        const auto length = reader.read(at + 2, 2);
        if (!length || *length < 2) return 1;
        if (*marker == 0xE1 && at + 2 + *length <= jpeg.size()) {
            const Bytes segment = jpeg.subspan(at + 4, *length - 2);
            if (startsWith(segment, "Exif\0\0", 6)) return orientationOfTiff(segment.subspan(6));
        }
        at += 2 + *length;
    }
}

// A chunk that the flags of VP8X do not announce does not count, as in Pillow.
int orientationOfWebp(Bytes webp) {
    constexpr std::uint32_t kExifFlag = 0x08;
    const Reader reader(webp, false);
    const auto flags = reader.read(20, 1);
    if (webp.size() < 16 || !startsWith(webp.subspan(12), "VP8X", 4) || !flags || (*flags & kExifFlag) == 0) return 1;
    for (std::size_t at = 12;;) {  // after "RIFF", size, "WEBP": type, length, data, padding to an even length
        const auto length = reader.read(at + 4, 4);
        if (!length || *length > webp.size() - at - 8) return 1;
        if (startsWith(webp.subspan(at), "EXIF", 4)) {
            const Bytes data = webp.subspan(at + 8, *length);
            return orientationOfTiff(startsWith(data, "Exif\0\0", 6) ? data.subspan(6) : data);
        }
        at += 8 + std::size_t{*length} + *length % 2;
    }
}

int orientationOfPng(Bytes png) {
    const Reader reader(png, true);
    for (std::size_t at = 8;;) {  // after the signature: length, type, data, CRC
        const auto length = reader.read(at, 4);
        if (!length || at + 8 > png.size() || *length > png.size() - at - 8) return 1;
        const Bytes type = png.subspan(at + 4, 4);
        if (startsWith(type, "eXIf", 4)) return orientationOfTiff(png.subspan(at + 8, *length));
        if (startsWith(type, "IEND", 4)) return 1;
        at += 12 + std::size_t{*length};
    }
}

}  // namespace

int exifOrientation(Bytes encoded, PictureFormat format) {
    switch (format) {
        case PictureFormat::kJpeg: return orientationOfJpeg(encoded);
        case PictureFormat::kPng: return orientationOfPng(encoded);
        case PictureFormat::kWebp: return orientationOfWebp(encoded);
        case PictureFormat::kGif:
        case PictureFormat::kBmp: return 1;
    }
    return 1;
}

}  // namespace step3::image
