#include "kernels/attention/kv_format.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/kernel_table.h"

namespace step3::kernels {
namespace {

constexpr float kE4m3Largest = 448.0F;

std::uint16_t floatToBf16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

template <typename T>
T at(const std::byte* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

void storeFp8(const float* x, std::int64_t dim, std::byte* row) {
    float largest = 0;
    for (std::int64_t i = 0; i < dim; ++i) largest = std::max(largest, std::abs(x[i]));
    const float scale = largest / kE4m3Largest;
    const float inverse = largest > 0 ? kE4m3Largest / largest : 0.0F;
    for (std::int64_t i = 0; i < dim; ++i) row[i] = static_cast<std::byte>(floatToE4m3(x[i] * inverse));
    std::memcpy(row + dim, &scale, sizeof scale);
}

void storeGroups(const KernelTable& kernels, KvFormat format, const float* x, std::int64_t dim, std::byte* row) {
    const bool wide = format == KvFormat::kInt8;
    const std::int64_t groups = (dim + kKvGroup - 1) / kKvGroup;
    std::byte* codes = row;
    std::byte* scales = row + groups * (wide ? kKvGroup : kKvGroup / 2);
    for (std::int64_t begin = 0; begin < dim; begin += kKvGroup, scales += sizeof(std::uint16_t)) {
        float values[kKvGroup] = {};
        std::copy_n(x + begin, std::min(kKvGroup, dim - begin), values);
        std::uint8_t whole[kKvGroup];
        const std::uint16_t scale = (wide ? kernels.quantiseInt8 : kernels.quantiseInt4)(values, kKvGroup, whole);
        std::memcpy(scales, &scale, sizeof scale);
        if (wide) {
            std::memcpy(codes, whole, kKvGroup);
            codes += kKvGroup;
            continue;
        }
        for (std::int64_t i = 0; i < kKvGroup / 2; ++i) {
            *codes++ = static_cast<std::byte>(whole[i] | (whole[i + kKvGroup / 2] << 4));
        }
    }
}

}  // namespace

const char* kvFormatName(KvFormat format) {
    switch (format) {
        case KvFormat::kF32: return "f32";
        case KvFormat::kBf16: return "bf16";
        case KvFormat::kFp8: return "fp8";
        case KvFormat::kInt8: return "int8";
        case KvFormat::kInt4: return "int4";
    }
    return "";
}

std::optional<KvFormat> parseKvFormat(std::string_view name) {
    for (const KvFormat format : kAllKvFormats) {
        if (name == kvFormatName(format)) return format;
    }
    return std::nullopt;
}

void storeKvRow(const KernelTable& kernels, KvFormat format, const float* x, std::int64_t dim, std::byte* row) {
    switch (format) {
        case KvFormat::kF32: std::memcpy(row, x, static_cast<std::size_t>(dim) * sizeof(float)); return;
        case KvFormat::kBf16:
            for (std::int64_t i = 0; i < dim; ++i) {
                const std::uint16_t bits = floatToBf16(x[i]);
                std::memcpy(row + 2 * i, &bits, sizeof bits);
            }
            return;
        case KvFormat::kFp8: return storeFp8(x, dim, row);
        case KvFormat::kInt8:
        case KvFormat::kInt4: return storeGroups(kernels, format, x, dim, row);
    }
}

void loadKvRow(KvFormat format, const std::byte* row, std::int64_t dim, float* out) {
    const std::int64_t groups = (dim + kKvGroup - 1) / kKvGroup;
    for (std::int64_t i = 0; i < dim; ++i) {
        const std::int64_t group = i / kKvGroup;
        const std::int64_t in = i % kKvGroup;
        switch (format) {
            case KvFormat::kF32: out[i] = at<float>(row + 4 * i); break;
            case KvFormat::kBf16: out[i] = bf16ToFloat(at<std::uint16_t>(row + 2 * i)); break;
            case KvFormat::kFp8: out[i] = e4m3ToFloat(at<std::uint8_t>(row + i)) * at<float>(row + dim); break;
            case KvFormat::kInt8: {
                const float scale = bf16ToFloat(at<std::uint16_t>(row + groups * kKvGroup + 2 * group));
                out[i] = static_cast<float>(at<std::uint8_t>(row + i) - 128) * scale;
                break;
            }
            case KvFormat::kInt4: {
                constexpr std::int64_t half = kKvGroup / 2;
                const float scale = bf16ToFloat(at<std::uint16_t>(row + groups * half + 2 * group));
                const auto both = at<std::uint8_t>(row + group * half + in % half);
                out[i] = static_cast<float>((in < half ? both & 15 : both >> 4) - 8) * scale;
                break;
            }
        }
    }
}

}  // namespace step3::kernels
