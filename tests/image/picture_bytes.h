#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/image/image.h"

namespace step3::test {

using Bytes = std::vector<std::byte>;

Bytes bytesOf(std::string_view text);
Bytes readBytes(const std::string& file);
Bytes joined(std::initializer_list<Bytes> parts);
Bytes firstBytes(const Bytes& bytes, std::size_t count);

/// A smooth picture whose corners differ, so that every orientation shows.
image::Image testPicture(std::int64_t width, std::int64_t height);

/// Encoded pictures: `pixels` [height, width, channels].
Bytes pngBytes(const std::uint8_t* pixels, int width, int height, int channels);
Bytes pngBytes(const image::Image& image);
Bytes jpegBytes(const image::Image& image, int quality);
Bytes bmpBytes(const image::Image& image);
Bytes webpBytes(const image::Image& image, float quality);
Bytes losslessWebpBytes(const image::Image& image);

/// PNG parts: a chunk with its checksum; a header chunk; a file of chunks behind the signature; the stream that zlib
/// makes of `raw` without compression.
Bytes pngChunk(std::string_view type, const Bytes& data);
Bytes pngHeader(std::uint32_t width, std::uint32_t height, int bits, int colour);
Bytes pngFile(std::initializer_list<Bytes> chunks);
Bytes zlibStored(const Bytes& raw);

/// WebP parts: a number of 24 bits; a chunk, padded; a file of chunks; the chunk VP8X (flags: 2 animation, 8 EXIF,
/// 16 alpha); the chunk ANMF of `data`, chunks that hold a picture; the one chunk of a file that has no other.
Bytes webpNumber(std::int64_t value);
Bytes webpChunk(std::string_view type, const Bytes& data);
Bytes webpFile(std::initializer_list<Bytes> chunks);
Bytes webpExtended(int flags, std::int64_t width, std::int64_t height);
Bytes webpFrame(std::int64_t left, std::int64_t top, std::int64_t width, std::int64_t height, const Bytes& data);
Bytes webpData(const Bytes& webp);

/// The TIFF structure of an EXIF block with one entry.
Bytes exifTiff(bool bigEndian, std::uint16_t orientation);
/// Puts an APP1 segment with `tiff` behind the start of a JPEG, or an eXIf chunk behind the header of a PNG,
/// or VP8X before and EXIF behind the picture of a WebP file of one chunk.
Bytes withJpegExif(const Bytes& jpeg, const Bytes& tiff);
Bytes withPngExif(const Bytes& png, const Bytes& tiff);
Bytes withWebpExif(const Bytes& webp, std::int64_t width, std::int64_t height, const Bytes& exif);

}  // namespace step3::test
