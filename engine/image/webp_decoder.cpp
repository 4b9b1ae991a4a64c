#include "engine/image/webp_decoder.h"

#include <new>

#include <webp/decode.h>

namespace step3::image {
namespace {

const char* reasonOf(VP8StatusCode status) {
    switch (status) {
        case VP8_STATUS_OK: return "none";
        case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
        case VP8_STATUS_INVALID_PARAM: return "sizes that contradict each other";
        case VP8_STATUS_BITSTREAM_ERROR: return "a bitstream that is invalid or ends early";
        case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature WebP does not have";
        case VP8_STATUS_SUSPENDED:
        case VP8_STATUS_NOT_ENOUGH_DATA: return "it ends before the last row";
        case VP8_STATUS_USER_ABORT: return "aborted";
    }
    return "no reason given";
}

}  // namespace

WebpPixels decodeWithLibwebp(const WebpLayout& layout) {
    WebpPixels pixels;
    const auto failed = [&](VP8StatusCode status) {
        pixels.data.clear();
        pixels.failure = reasonOf(status);
        pixels.outOfMemory = status == VP8_STATUS_OUT_OF_MEMORY;
    };
    WebPDecoderConfig config;
    if (WebPInitDecoderConfig(&config) == 0) {
        pixels.failure = "another version of libwebp than the program was built with";
        return pixels;
    }
    pixels.channels = layout.alpha ? 4 : 3;
    const auto stride = layout.width * pixels.channels;
    try {
        pixels.data.resize(static_cast<std::size_t>(stride * layout.height));
    } catch (const std::bad_alloc&) {
        failed(VP8_STATUS_OUT_OF_MEMORY);
        return pixels;
    }
    const auto first = layout.top * stride + layout.left * pixels.channels;
    config.output.colorspace = layout.alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels.data.data() + first;
    config.output.u.RGBA.stride = static_cast<int>(stride);
    config.output.u.RGBA.size = pixels.data.size() - static_cast<std::size_t>(first);
    const auto* frame = reinterpret_cast<const std::uint8_t*>(layout.frame.data());
    const VP8StatusCode status = WebPDecode(frame, layout.frame.size(), &config);
    WebPFreeDecBuffer(&config.output);
    if (status != VP8_STATUS_OK) failed(status);
    return pixels;
}

}  // namespace step3::image
