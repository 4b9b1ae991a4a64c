#include "engine/model/safetensors.h"
#include "tests/fuzz/fuzz_entry.h"

// A safetensors file: what is accepted lies inside the file, has the size of its shape and overlaps nothing.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    const std::string_view file = fuzz::textOf(data, size);
    fuzz::accepts([&] {
        const auto entries = model::parseSafetensorsHeader(file, size, "x");
        for (const auto& entry : entries) {
            fuzz::require(entry.begin <= entry.end && entry.end <= size, "a tensor lies in the file");
            std::uint64_t bytes = kernels::bytesPerElement(entry.dtype);
            for (const std::int64_t extent : entry.shape) bytes *= static_cast<std::uint64_t>(extent);
            fuzz::require(bytes == entry.end - entry.begin, "a tensor has the bytes of its shape");
            for (const auto& other : entries) {
                const bool apart = entry.begin >= other.end || other.begin >= entry.end || entry.begin == entry.end;
                fuzz::require(&entry == &other || apart, "tensors do not overlap");
            }
        }
    });
    return 0;
}
