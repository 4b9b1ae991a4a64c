#include "engine/serving/sip_hash.h"

#include <bit>

namespace step3::serving {
namespace {

struct State {
    std::uint64_t a, b, c, d;

    void rounds(int count) {
        for (int i = 0; i < count; ++i) {
            a += b;
            c += d;
            b = std::rotl(b, 13) ^ a;
            d = std::rotl(d, 16) ^ c;
            a = std::rotl(a, 32);
            c += b;
            a += d;
            b = std::rotl(b, 17) ^ c;
            d = std::rotl(d, 21) ^ a;
            c = std::rotl(c, 32);
        }
    }
    void absorb(std::uint64_t word) {
        d ^= word;
        rounds(2);
        a ^= word;
    }
    [[nodiscard]] std::uint64_t sum() const { return a ^ b ^ c ^ d; }
};

/// Little-endian.
std::uint64_t wordAt(const std::uint8_t* bytes, std::size_t count) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; ++i) word |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
    return word;
}

}  // namespace

SipHash::Value SipHash::operator()(std::span<const std::uint8_t> bytes) const {
    // The initial constants spell "somepseudorandomlygeneratedbytes".
    State state{key_[0] ^ 0x736f6d6570736575U, key_[1] ^ 0x646f72616e646f6dU ^ 0xEEU, key_[0] ^ 0x6c7967656e657261U,
                key_[1] ^ 0x7465646279746573U};
    const std::size_t whole = bytes.size() / 8 * 8;
    for (std::size_t i = 0; i < whole; i += 8) state.absorb(wordAt(bytes.data() + i, 8));
    state.absorb(wordAt(bytes.data() + whole, bytes.size() - whole) | static_cast<std::uint64_t>(bytes.size() & 0xFFU)
                                                                          << 56U);
    state.c ^= 0xEEU;
    state.rounds(4);
    const std::uint64_t first = state.sum();
    state.b ^= 0xDDU;
    state.rounds(4);
    return {first, state.sum()};
}

}  // namespace step3::serving
