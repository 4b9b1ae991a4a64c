#pragma once

#include <cstdint>

#include "engine/image/image.h"

namespace step3::image {

/// Decoded channels -> upright RGB in one pass: grey replicated, alpha composited over white and rounded to nearest,
/// EXIF orientation (1 to 8) applied. `pixels` [height, width, channels], channels 1 to 4.
Image uprightRgb(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, int channels, int orientation);

}  // namespace step3::image
