#pragma once

#include <cstdint>

#include "engine/image/image.h"

namespace step3::image {

/// Bit-exact Pillow BILINEAR, horizontal pass first (spec step3-model section 6.3), of the picture at the top left of a
/// black canvas of canvasWidth x canvasHeight. The canvas is never built, so a long thin picture costs no square of its
/// length.
Image resizeOnCanvas(const Image& image, std::int64_t canvasWidth, std::int64_t canvasHeight, std::int64_t width,
                     std::int64_t height);

}  // namespace step3::image
