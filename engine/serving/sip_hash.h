#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace step3::serving {

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein): whoever does not know the key cannot make two inputs
/// of one hash.
class SipHash {
public:
    using Value = std::array<std::uint64_t, 2>;

    explicit SipHash(Value key) : key_(key) {}
    [[nodiscard]] Value operator()(std::span<const std::uint8_t> bytes) const;

private:
    Value key_;
};

}  // namespace step3::serving
