#include "engine/serving/http/auth.h"

#include <algorithm>

#include <boost/beast/core/string.hpp>

#include "engine/error.h"

namespace step3::serving::http {

namespace {

/// Time depends on the length of `shown` alone.
bool sameKey(std::string_view key, std::string_view shown) {
    unsigned difference = key.size() == shown.size() ? 0U : 1U;
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const char expected = key[i % key.size()];
        difference |=
            static_cast<unsigned>(static_cast<unsigned char>(expected) ^ static_cast<unsigned char>(shown[i]));
    }
    return difference == 0;
}

}  // namespace

ApiKeys::ApiKeys(std::vector<std::string> keys) : keys_(std::move(keys)) {
    for (const std::string& key : keys_) {
        if (key.empty()) throw Error(ErrorCode::kInvalidArgument, "API key: expected text, found none");
        if (std::any_of(key.begin(), key.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7F; })) {
            throw Error(ErrorCode::kInvalidArgument, "API key: expected printable ASCII without spaces");
        }
    }
}

bool ApiKeys::admits(std::string_view authorization) const {
    if (keys_.empty()) return true;
    constexpr std::string_view kScheme = "Bearer ";
    if (authorization.size() <= kScheme.size() ||
        !boost::beast::iequals(authorization.substr(0, kScheme.size()), kScheme)) {
        return false;
    }
    std::string_view shown = authorization.substr(kScheme.size());
    while (!shown.empty() && shown.front() == ' ') shown.remove_prefix(1);
    bool found = false;
    for (const std::string& key : keys_) found = sameKey(key, shown) || found;
    return found;
}

}  // namespace step3::serving::http
