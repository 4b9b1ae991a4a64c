#include "engine/model/finite.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/error.h"

namespace step3::model {

namespace {

bool isNanCode(std::byte code) {
    return (std::to_integer<unsigned>(code) & 0x7FU) == 0x7FU;
}

}  // namespace

void checkFloats(std::span<const std::byte> bytes, kernels::DType dtype, const std::string& place) {
    const std::uint32_t exponent = dtype == kernels::DType::kF32   ? 0x7F800000U
                                   : dtype == kernels::DType::kF16 ? 0x7C00U
                                                                   : 0x7F80U;
    const std::size_t width = kernels::bytesPerElement(dtype);
    for (std::size_t i = 0; i < bytes.size() / width; ++i) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, bytes.data() + i * width, width);
        if ((bits & exponent) != exponent) continue;
        const std::uint32_t mantissa = (exponent & (~exponent + 1U)) - 1U;  // the bits below the exponent
        throw Error(ErrorCode::kInvalidData, place + ": expected finite numbers, found " +
                                                 ((bits & mantissa) != 0 ? "NaN" : "infinity") + " at " +
                                                 std::to_string(i));
    }
}

bool hasNanCode(std::span<const std::byte> codes) {
    bool found = false;
    for (const std::byte code : codes) found |= isNanCode(code);  // without a branch: many bytes at once
    return found;
}

void checkCodes(std::span<const std::byte> codes, const std::string& place, std::uint64_t first) {
    if (!hasNanCode(codes)) return;
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
