#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cpu/dtype.h"

namespace step3::model {

/// One entry of a safetensors header. Offsets count from the file's first byte.
struct SafetensorsEntry {
    std::string name;
    kernels::DType dtype = kernels::DType::kF32;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// Reads and checks the header of a safetensors file. `head` holds the file's first bytes (all of them, or at least the
/// 8-byte length and the header), `fileSize` the size of the whole file. Entries whose dtype this program does not know
/// are left out and named in `unknown`. Throws Error naming file and tensor.
std::vector<SafetensorsEntry> parseSafetensorsHeader(std::string_view head, std::uint64_t fileSize,
                                                     const std::string& file,
                                                     std::vector<std::string>* unknown = nullptr);

}  // namespace step3::model
