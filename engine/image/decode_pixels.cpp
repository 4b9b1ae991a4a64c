#include "engine/image/decode_pixels.h"

#include <algorithm>
#include <cstring>

namespace step3::image {
namespace {

// Nearest integer to level * alpha / 255 + 255 * (255 - alpha) / 255; 255 is odd, so there are no ties.
std::uint8_t overWhite(std::uint8_t level, std::uint8_t alpha) {
    return static_cast<std::uint8_t>((level * alpha + 255 * (255 - alpha) + 127) / 255);
}

template <int Channels>
void writeRgb(const std::uint8_t* in, std::uint8_t* out) {
    if constexpr (Channels == 1) {
        out[0] = out[1] = out[2] = in[0];
    } else if constexpr (Channels == 2) {
        out[0] = out[1] = out[2] = overWhite(in[0], in[1]);
    } else if constexpr (Channels == 3) {
        out[0] = in[0], out[1] = in[1], out[2] = in[2];
    } else {
        for (int c = 0; c < 3; ++c) out[c] = overWhite(in[c], in[3]);
    }
}

// Pixel (0, 0) of the result is the stored pixel `first`; a step right moves by `stepX` stored pixels, a step down by
// `stepY`. A stored pixel takes `Bytes` bytes.
template <int Channels, int Bytes = Channels>
void copyUpright(const std::uint8_t* pixels, std::int64_t first, std::int64_t stepX, std::int64_t stepY, Image& out) {
    constexpr std::int64_t kBlock = 64;  // square blocks keep both sides in the cache when rows become columns
    for (std::int64_t blockY = 0; blockY < out.height; blockY += kBlock) {
        for (std::int64_t blockX = 0; blockX < out.width; blockX += kBlock) {
            for (std::int64_t y = blockY; y < std::min(blockY + kBlock, out.height); ++y) {
                const std::int64_t endX = std::min(blockX + kBlock, out.width);
                std::uint8_t* target = out.rgb.data() + (y * out.width + blockX) * 3;
                const std::uint8_t* source = pixels + (first + blockX * stepX + y * stepY) * Bytes;
                std::int64_t x = blockX;
                if constexpr (Bytes == 4 &&
                              Channels == 3) {  // one move a pixel; the next one writes over the fourth byte
                    for (; x + 1 < endX; ++x, target += 3, source += stepX * Bytes) std::memcpy(target, source, 4);
                }
                for (; x < endX; ++x, target += 3, source += stepX * Bytes) writeRgb<Channels>(source, target);
            }
        }
    }
}

}  // namespace

Image uprightRgb(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, int channels, int bytesPerPixel,
                 int orientation) {
    const auto size = static_cast<std::size_t>(width * height * 3);
    if (orientation == 1 && channels == 3 && bytesPerPixel == 3) return {width, height, {pixels, pixels + size}};
    const bool swapped = orientation >= 5;
    const bool fromRight = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool fromBottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const std::int64_t alongX = fromRight ? -1 : 1;           // stored step for one pixel along a stored row
    const std::int64_t alongY = fromBottom ? -width : width;  // and for one stored row
    const std::int64_t first = (fromBottom ? (height - 1) * width : 0) + (fromRight ? width - 1 : 0);

    Image out{swapped ? height : width, swapped ? width : height, {}};
    out.rgb.resize(size);
    const std::int64_t stepX = swapped ? alongY : alongX;
    const std::int64_t stepY = swapped ? alongX : alongY;
    switch (channels) {
        case 1: copyUpright<1>(pixels, first, stepX, stepY, out); break;
        case 2: copyUpright<2>(pixels, first, stepX, stepY, out); break;
        case 3:
            if (bytesPerPixel == 4)
                copyUpright<3, 4>(pixels, first, stepX, stepY, out);
            else
                copyUpright<3>(pixels, first, stepX, stepY, out);
            break;
        default: copyUpright<4>(pixels, first, stepX, stepY, out); break;
    }
    return out;
}

}  // namespace step3::image
