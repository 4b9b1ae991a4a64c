#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace step3::image {

/// What is wrong with the order of a JPEG's tables and scans (ITU-T T.81, annex B), or an empty string: Huffman tables
/// with more than 256 symbols, scans that name tables nobody defined, scans of coefficients before the first one of
/// their component. stb_image decodes such files from memory it never wrote, partly past the end of it. A file that is
/// cut off or has a defect the decoder reports by itself counts as good here.
std::string jpegDefect(std::span<const std::byte> jpeg);

}  // namespace step3::image
