#include "engine/serving/http/request_id.h"

#include <algorithm>
#include <random>

namespace step3::serving::http {

std::string randomHex() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::random_device random;
    std::string text;
    for (int word = 0; word < 4; ++word) {
        const std::uint32_t bits = random();
        for (unsigned shift = 0; shift < 32; shift += 4) text += kDigits[bits >> shift & 0xFU];
    }
    return text;
}

std::string requestId(std::string_view fromClient) {
    constexpr std::size_t kLongest = 128;
    const auto plain = [](unsigned char c) { return c > ' ' && c < 0x7F; };
    const bool good = !fromClient.empty() && fromClient.size() <= kLongest &&
                      std::all_of(fromClient.begin(), fromClient.end(), plain);
    return good ? std::string(fromClient) : randomHex();
}

}  // namespace step3::serving::http
