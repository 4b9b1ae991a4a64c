#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace step3::image {

/// What a picture's header says.
struct StbHeader {
    std::int64_t width = 0;
    std::int64_t height = 0;
    int channels = 0;  // as in StbPixels
};

struct StbFree {
    void operator()(std::uint8_t* pixels) const;
};

/// Result of stb_image: 8 bits a channel, row-major; 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
struct StbPixels {
    std::int64_t width = 0;
    std::int64_t height = 0;
    int channels = 0;
    int bytesPerPixel = 0;                        // `channels`, or 4 if the fourth byte of RGB was asked for
    std::unique_ptr<std::uint8_t, StbFree> data;  // [height, width, bytesPerPixel]; null on failure
    bool cutOff = false;                          // the decoder asked for bytes behind the end
    std::string failure;                          // stb_image's reason if data is null
};

/// The header alone; on failure `failure` holds stb_image's reason, else it stays empty. `cutOff` as above.
StbHeader readStbHeader(std::span<const std::byte> encoded, bool& cutOff, std::string& failure);
/// `fourBytes`: pixels of four bytes whatever the channels; stb_image's vector code for JPEG writes only those.
StbPixels decodeWithStb(std::span<const std::byte> encoded, bool fourBytes = false);

}  // namespace step3::image
