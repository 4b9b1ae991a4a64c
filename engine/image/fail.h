#pragma once

#include <cstdint>
#include <string>

#include "engine/error.h"

namespace step3::image {

/// Throws Error with the message every defect of a picture has.
[[noreturn]] inline void fail(ErrorCode code, const std::string& name, const std::string& expected,
                              const std::string& found) {
    throw Error(code, name + ": expected " + expected + ", found " + found);
}

inline std::string sizeText(std::int64_t width, std::int64_t height) {
    return std::to_string(width) + "x" + std::to_string(height) + " pixels";
}

}  // namespace step3::image
