#include "kernels/cpu/isa.h"

#include <cstdlib>

#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace step3::kernels {
namespace {

#if defined(__x86_64__)
struct CpuFeatures {
    bool avx2 = false;    // AVX2, FMA, F16C and the upper halves of the registers saved by the system
    bool avx512 = false;  // F, BW, VL, DQ and the mask and 512-bit registers saved by the system
    bool vnni = false;    // AVX512_VNNI besides
};

/// XCR0: which register state the operating system saves. In assembly because the intrinsic needs a compiler flag.
std::uint64_t readXcr0() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32U) | low;
}

CpuFeatures readCpuFeatures() {
    CpuFeatures features;
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    const auto has = [](unsigned word, unsigned bits) { return (word & bits) == bits; };
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C)) return features;
    const std::uint64_t saved = readXcr0();
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return features;
    features.avx2 = has(b, bit_AVX2) && (saved & 0x6U) == 0x6U;
    features.avx512 =
        features.avx2 && has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ) && (saved & 0xE6U) == 0xE6U;
    features.vnni = features.avx512 && has(c, bit_AVX512VNNI);
    return features;
}
#endif

}  // namespace

const char* isaName(Isa isa) {
    switch (isa) {
        case Isa::kScalar: return "scalar";
        case Isa::kNeon: return "neon";
        case Isa::kAvx2: return "avx2";
        case Isa::kAvx512: return "avx512";
        case Isa::kAvx512Vnni: return "avx512vnni";
    }
    return "unknown";
}

std::optional<Isa> parseIsa(std::string_view name) {
    for (const Isa isa : kAllIsas) {
        if (name == isaName(isa)) return isa;
    }
    return std::nullopt;
}

bool isaAvailable(Isa isa) {
    if (isa == Isa::kScalar) return true;
#if defined(__x86_64__)
    static const CpuFeatures features = readCpuFeatures();
    if (isa == Isa::kAvx512Vnni) return features.vnni;
    if (isa == Isa::kAvx512) return features.avx512;
    return isa == Isa::kAvx2 && features.avx2;
#elif defined(__aarch64__)
    return isa == Isa::kNeon;
#else
    return false;
#endif
}

Isa detectIsa() {
    Isa best = Isa::kScalar;
    for (const Isa isa : kAllIsas) {
        if (isaAvailable(isa)) best = isa;
    }
    return best;
}

Isa activeIsa() {
    static const Isa active = [] {
        const char* wanted = std::getenv("STEP3_ISA");
        const auto isa = wanted == nullptr ? std::nullopt : parseIsa(wanted);
        return isa && isaAvailable(*isa) ? *isa : detectIsa();
    }();
    return active;
}

#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
namespace avx512vnni {
extern const KernelTable kTable;
}
#endif
#if defined(__aarch64__)
namespace neon {
extern const KernelTable kTable;
}
#endif
namespace scalar {
extern const KernelTable kTable;
}

const KernelTable& kernelTable(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::kAvx512Vnni) return avx512vnni::kTable;
    if (isa == Isa::kAvx512) return avx512::kTable;
    if (isa == Isa::kAvx2) return avx2::kTable;
#elif defined(__aarch64__)
    if (isa == Isa::kNeon) return neon::kTable;
#endif
    (void)isa;
    return scalar::kTable;
}

const KernelTable& activeKernels() {
    return kernelTable(activeIsa());
}

}  // namespace step3::kernels
