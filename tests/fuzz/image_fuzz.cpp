#include "engine/image/image.h"
#include "tests/fuzz/fuzz_entry.h"

// A picture file; small limits keep the pixels of one run few.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    image::DecodeLimits limits;
    limits.maxPixels = 1U << 18;
    limits.maxSide = 4096;
    fuzz::accepts([&] {
        const auto picture = image::decodeImage(std::as_bytes(std::span(data, size)), "x", limits);
        fuzz::require(picture.width > 0 && picture.height > 0, "a picture has pixels");
        fuzz::require(picture.rgb.size() == static_cast<std::size_t>(picture.width * picture.height * 3),
                      "a picture has three bytes a pixel");
    });
    return 0;
}
