#pragma once

#include <cstdint>

#include "engine/image/image.h"

namespace step3::image {

/// Decoded channels -> upright RGB in one pass: grey replicated, alpha composited over white and rounded to nearest,
/// EXIF orientation (1 to 8) applied. `pixels` [height, width, bytesPerPixel], channels 1 to 4; bytesPerPixel is
/// `channels`, or 4 for three channels and a byte that is ignored.
Image uprightRgb(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, int channels, int bytesPerPixel,
                 int orientation);

}  // namespace step3::image
