#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace step3::kernels {

/// Instruction sets the CPU kernels are compiled for, those of one architecture weakest first. A new one is a name
/// here, a section in cpu/simd.h and an entry in kernels/CMakeLists.txt.
enum class Isa : std::uint8_t { kScalar, kNeon, kAvx2, kAvx512, kAvx512Vnni };

inline constexpr std::array<Isa, 5> kAllIsas{Isa::kScalar, Isa::kNeon, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni};

/// "scalar", "neon" (any AArch64), "avx2" (with FMA and F16C), "avx512" (F, BW, VL, DQ), "avx512vnni" (these and VNNI,
/// dot products of bytes for the group formats).
const char* isaName(Isa isa);
std::optional<Isa> parseIsa(std::string_view name);

/// True if kernels for `isa` are part of this program and both CPU (CPUID) and operating system (XGETBV) support it.
bool isaAvailable(Isa isa);
/// The strongest one available here.
Isa detectIsa();
/// What the kernels use: the environment variable STEP3_ISA if it names one that is available, else detectIsa(). Read
/// once.
Isa activeIsa();

}  // namespace step3::kernels
