#include "engine/model/finite.h"

#include <bit>
#include <cmath>

#include "engine/error.h"

namespace step3::model {

namespace {

bool isNanCode(std::byte code) {
    return (std::to_integer<unsigned>(code) & 0x7FU) == 0x7FU;
}

}  // namespace

void checkCodes(std::span<const std::byte> codes, const std::string& place, std::uint64_t first) {
    bool found = false;
    for (const std::byte code : codes) found |= isNanCode(code);  // without a branch: many bytes at once
    if (!found) return;
    for (std::size_t i = 0; i < codes.size(); ++i) {
        if (isNanCode(codes[i]))
            throw Error(ErrorCode::kInvalidData,
                        place + ": expected finite F8_E4M3 codes, found NaN at " + std::to_string(first + i));
    }
}

void checkBlockScales(std::span<const float> scales, const std::string& place, std::uint64_t first) {
    for (std::size_t i = 0; i < scales.size(); ++i) {
        if (!std::isfinite(scales[i]) || scales[i] < 0.0F)
            throw Error(ErrorCode::kInvalidData, place + ": expected finite scales of at least 0, found " +
                                                     std::to_string(scales[i]) + " at " + std::to_string(first + i));
    }
}

void checkGroupScales(std::span<const std::uint16_t> scales, const std::string& place, std::uint64_t first) {
    for (std::size_t i = 0; i < scales.size(); ++i) {
        const float scale = std::bit_cast<float>(static_cast<std::uint32_t>(scales[i]) << 16U);
        if (!std::isfinite(scale))
            throw Error(ErrorCode::kInvalidData, place + ": expected finite scales, found " + std::to_string(scale) +
                                                     " at " + std::to_string(first + i));
    }
}

}  // namespace step3::model
