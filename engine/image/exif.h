#pragma once

#include <cstddef>
#include <span>

#include "engine/image/sniff.h"

namespace step3::image {

/// EXIF orientation 1 to 8 of a JPEG (APP1), PNG (eXIf) or WebP (EXIF, where VP8X announces it); 1 if there is none or
/// it is malformed: a broken note about a picture is no reason to refuse the picture.
///   1 as stored      2 mirrored left-right   3 turned by 180 degrees   4 mirrored top-bottom
///   5 transposed     6 to be turned clockwise   7 transposed over the other diagonal   8 to be turned
///   counter-clockwise
int exifOrientation(std::span<const std::byte> encoded, PictureFormat format);

}  // namespace step3::image
