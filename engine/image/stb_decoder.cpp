// The one translation unit with stb_image in it. The bytes go through callbacks instead of a plain buffer because that
// shows when the decoder runs off the end: by itself stb_image goes on with zeros and returns a picture that is partly
// grey.

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR

#include "engine/image/stb_decoder.h"

#include <algorithm>
#include <cstring>

#include <stb/stb_image.h>

namespace step3::image {
namespace {

struct Source {
    std::span<const std::byte> encoded;
    std::size_t at = 0;
    bool cutOff = false;
};

int readBytes(void* user, char* data, int size) {
    auto& source = *static_cast<Source*>(user);
    const std::size_t count = std::min(static_cast<std::size_t>(size), source.encoded.size() - source.at);
    if (count == 0 && size > 0) source.cutOff = true;
    if (count > 0) std::memcpy(data, source.encoded.data() + source.at, count);
    source.at += count;
    return static_cast<int>(count);
}

void skipBytes(void* user, int size) {
    auto& source = *static_cast<Source*>(user);
    if (size < 0) {
        source.at -= std::min(static_cast<std::size_t>(-static_cast<long long>(size)), source.at);
        return;
    }
    if (static_cast<std::size_t>(size) > source.encoded.size() - source.at) source.cutOff = true;
    source.at += std::min(static_cast<std::size_t>(size), source.encoded.size() - source.at);
}

int atEnd(void* user) {
    const auto& source = *static_cast<Source*>(user);
    return source.at >= source.encoded.size() ? 1 : 0;
}

constexpr stbi_io_callbacks kCallbacks{readBytes, skipBytes, atEnd};

std::string failureReason() {
    const char* reason = stbi_failure_reason();
    return reason != nullptr ? reason : "no reason given";
}

}  // namespace

void StbFree::operator()(std::uint8_t* pixels) const {
    stbi_image_free(pixels);
}

StbHeader readStbHeader(std::span<const std::byte> encoded, bool& cutOff, std::string& failure) {
    Source source{encoded};
    int width = 0, height = 0, channels = 0;
    const bool ok = stbi_info_from_callbacks(&kCallbacks, &source, &width, &height, &channels) != 0;
    cutOff = source.cutOff;
    if (ok) return {width, height, channels};
    // On failure stb_image has gone on to try every other format, so its reason is that of the last one. The decoder
    // goes by the signature alone and stops at the same defect, before it allocates pixels.
    failure = decodeWithStb(encoded).failure;
    if (failure.empty()) failure = "no reason given";
    return {};
}

StbPixels decodeWithStb(std::span<const std::byte> encoded, bool fourBytes) {
    Source source{encoded};
    int width = 0, height = 0, channels = 0;
    StbPixels pixels;
    pixels.data.reset(stbi_load_from_callbacks(&kCallbacks, &source, &width, &height, &channels,
                                               fourBytes ? STBI_rgb_alpha : STBI_default));
    pixels.cutOff = source.cutOff;
    if (!pixels.data) {
        pixels.failure = failureReason();
        return pixels;
    }
    pixels.width = width;
    pixels.height = height;
    pixels.channels = channels;
    pixels.bytesPerPixel = fourBytes ? 4 : channels;
    return pixels;
}

}  // namespace step3::image
