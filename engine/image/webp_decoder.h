#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/image/webp_container.h"

namespace step3::image {

/// 8 bits a channel, row-major; 3 RGB, 4 RGB + alpha. What a frame leaves free of its canvas is 0 in every channel.
struct WebpPixels {
    int channels = 0;
    std::vector<std::uint8_t> data;  // [height, width, channels]; empty on failure
    std::string failure;             // the decoder's reason if data is empty
    bool outOfMemory = false;
};

/// The one place libwebp is called from. A picture that ends before its last row is a failure, not half a picture.
WebpPixels decodeWithLibwebp(const WebpLayout& layout);

}  // namespace step3::image
