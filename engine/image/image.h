#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace step3::image {

/// 8-bit RGB, row-major, 3 bytes a pixel, no padding.
struct Image {
    std::int64_t width = 0;
    std::int64_t height = 0;
    std::vector<std::uint8_t> rgb;  // [height, width, 3]
};

/// Checked against the file's header before anything is allocated.
struct DecodeLimits {
    std::uint64_t maxBytes = 64ULL << 20;      // encoded size
    std::uint64_t maxPixels = 178'956'970ULL;  // as vLLM and Pillow
    std::uint64_t maxSide = 65'535;            // longer side in pixels, as JPEG
};

/// PNG, JPEG, BMP, WebP and the first frame of a GIF or an animated WebP. EXIF orientation applied, alpha composited
/// over white (rounded to nearest), grey and palette expanded, 16-bit reduced to 8 (spec step3-model section 6.1).
/// `name` appears in errors. Throws Error: kInvalidData for bytes that are no picture, cut off or corrupt, kUnsupported
/// for kinds of picture that are not read, kResourceExhausted beyond `limits`; loadImage also kNotFound and kIo.
Image decodeImage(std::span<const std::byte> encoded, const std::string& name, const DecodeLimits& limits = {});
Image loadImage(const std::filesystem::path& file, const DecodeLimits& limits = {});

}  // namespace step3::image
