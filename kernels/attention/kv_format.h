#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace step3::kernels {

struct KernelTable;

/// How a row of K or V is stored: one token in one layer. Everything is computed in float32.
///   kF32, kBf16   numbers
///   kFp8          E4M3 codes [D], then their scale as float32: the row's largest magnitude becomes 448
///   kInt8, kInt4  codes of groups of 32 numbers, then a BF16 scale a group, as weights have them
///                 (kernels/gemm/panels.h); the last group is filled with zeros. Two 4-bit codes share a byte: number i
///                 of a group is in the lower half of byte i, number i + 16 in the upper.
enum class KvFormat : std::uint8_t { kF32, kBf16, kFp8, kInt8, kInt4 };

inline constexpr KvFormat kAllKvFormats[] = {KvFormat::kF32, KvFormat::kBf16, KvFormat::kFp8, KvFormat::kInt8,
                                             KvFormat::kInt4};
inline constexpr std::int64_t kKvGroup = 32;

/// "f32", "bf16", "fp8", "int8", "int4"
const char* kvFormatName(KvFormat format);
std::optional<KvFormat> parseKvFormat(std::string_view name);

/// Bytes of a row of `dim` numbers.
constexpr std::int64_t kvRowBytes(KvFormat format, std::int64_t dim) {
    const std::int64_t groups = (dim + kKvGroup - 1) / kKvGroup;
    switch (format) {
        case KvFormat::kF32: return 4 * dim;
        case KvFormat::kBf16: return 2 * dim;
        case KvFormat::kFp8: return dim + 4;
        case KvFormat::kInt8: return groups * (kKvGroup + 2);
        case KvFormat::kInt4: return groups * (kKvGroup / 2 + 2);
    }
    return 0;
}

/// x[dim] into a row.
void storeKvRow(const KernelTable& kernels, KvFormat format, const float* x, std::int64_t dim, std::byte* row);
/// A row's numbers, plainly: what the kernels are tested against.
void loadKvRow(KvFormat format, const std::byte* row, std::int64_t dim, float* out);

}  // namespace step3::kernels
