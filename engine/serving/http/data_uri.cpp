#include "engine/serving/http/data_uri.h"

#include <array>
#include <cstdint>

#include <boost/beast/core/string.hpp>

#include "engine/serving/http/api_error.h"

namespace step3::serving::http {

namespace {

constexpr std::int8_t kNoDigit = -1;

constexpr std::array<std::int8_t, 256> digitTable() {
    std::array<std::int8_t, 256> table{};
    for (auto& entry : table) entry = kNoDigit;
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
        table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
    }
    return table;
}
constexpr auto kDigits = digitTable();

bool startsWith(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() && boost::beast::iequals(text.substr(0, prefix.size()), prefix);
}

}  // namespace

bool isHttpUrl(std::string_view url) {
    return startsWith(url, "http:") || startsWith(url, "https:");
}

std::vector<std::byte> decodeBase64(std::string_view text, const std::string& param) {
    const auto reject = [&](const std::string& what) { return ruleError(param + ": bad base64: " + what, param); };
    if (text.empty()) throw reject("expected data, found none");
    if (text.size() % 4 != 0) {
        throw reject("the length must be a multiple of 4, found " + std::to_string(text.size()));
    }
    std::size_t padding = 0;
    while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
    const std::size_t digits = text.size() - padding;
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        const std::int8_t digit = kDigits[static_cast<unsigned char>(text[i])];
        if (digit == kNoDigit) throw reject("character " + std::to_string(i + 1) + " is not of the alphabet");
        bits = bits << 6U | static_cast<std::uint32_t>(digit);
        if (i % 4 == 3) {
            for (const unsigned shift : {16U, 8U, 0U}) bytes.push_back(static_cast<std::byte>(bits >> shift & 0xFFU));
            bits = 0;
        }
    }
    // One or two bytes before the padding; the spare bits below them must be zero, or two texts would mean the same.
    if (padding > 0) {
        const std::uint32_t spare = padding == 1 ? 0x3U : 0xFU;
        if ((bits & spare) != 0) throw reject("the last character has bits beyond the data");
        if (padding == 1) bytes.push_back(static_cast<std::byte>(bits >> 10U & 0xFFU));
        bytes.push_back(static_cast<std::byte>(bits >> (padding == 1 ? 2U : 4U) & 0xFFU));
    }
    return bytes;
}

std::vector<std::byte> decodeDataUri(std::string_view uri, const std::string& param) {
    if (isHttpUrl(uri)) {
        throw ruleError(param + ": this server fetches no pictures from the network: send a data: URI", param);
    }
    if (startsWith(uri, "file:")) {
        throw ruleError(param + ": this server reads no local files: send a data: URI", param);
    }
    if (!startsWith(uri, "data:")) {
        throw ruleError(param + ": expected a data: URI, found another scheme or none", param);
    }
    const std::size_t comma = uri.find(',');
    if (comma == std::string_view::npos) {
        throw ruleError(param + ": expected a comma before the data of the data: URI, found none", param);
    }
    const std::string_view label = uri.substr(0, comma);
    constexpr std::string_view kMark = ";base64";
    if (label.size() < kMark.size() || !startsWith(label.substr(label.size() - kMark.size()), kMark)) {
        throw ApiError(501, "NotImplementedError", param + ": only base64 data: URIs are supported", param);
    }
    return decodeBase64(uri.substr(comma + 1), param);
}

}  // namespace step3::serving::http
