#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace step3::image {

enum class PictureFormat { kPng, kJpeg, kWebp, kGif, kBmp };

/// The formats decodeImage reads, for messages.
inline constexpr const char* kReadFormats = "a PNG, JPEG, WebP, GIF or BMP picture";

const char* formatName(PictureFormat format);

/// The format by the first bytes. Throws Error: kInvalidData if they belong to no picture, kUnsupported for a known
/// kind of file that is not read (TIFF, HEIC, PDF ...), both naming what is read and what was found.
PictureFormat sniffFormat(std::span<const std::byte> encoded, const std::string& name);

}  // namespace step3::image
