#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace step3::image {

/// Where the first picture of a WebP file lies (WebP container specification). All sizes come from headers, in pixels.
struct WebpLayout {
    std::int64_t width = 0, height = 0;            // the canvas
    std::int64_t left = 0, top = 0;                // of the frame on it; not 0 in animations only
    std::int64_t frameWidth = 0, frameHeight = 0;  // lies within the canvas
    bool alpha = false;                            // of a still picture its data's own, else what the file declares
    std::span<const std::byte> frame;              // chunk ALPH, if the data has one, up to the end of VP8 or VP8L
};

/// Throws Error kInvalidData for a file that is cut off, chunks that run past their end, a missing picture and sizes
/// that contradict each other. The compressed data is not looked at, only its header. `name` appears in errors.
WebpLayout readWebpLayout(std::span<const std::byte> webp, const std::string& name);

}  // namespace step3::image
