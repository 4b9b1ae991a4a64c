#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

struct sockaddr;

namespace step3::serving::http {

/// True for an address that belongs to the public Internet: not this machine, no private, link-local, shared,
/// multicast, reserved or documentation range, no IPv6 address that stands for an IPv4 one.
bool isPublicAddress(const sockaddr& address);

/// Whether and from where the server gets pictures that a request names by http(s) URL.
struct FetchOptions {
    bool enabled = false;
    std::vector<std::string> hosts;  // only these; empty: any
    /// Asked about every address right before it is connected to, so that neither a redirect nor a name that resolves
    /// differently the second time leads elsewhere.
    std::function<bool(const sockaddr&)> admits = isPublicAddress;
    std::uint64_t maxBytes = 20U << 20;
    std::chrono::milliseconds timeout{5'000};  // all redirects included
    int redirects = 3;
};

/// The bytes at an http(s) URL. Blocks. Throws ApiError: 400 for a URL, host or address that is not admitted, 422
/// (param "image_url") if the host refuses or the file is too large, 500 if the host fails or takes too long.
std::vector<std::byte> fetchImage(const std::string& url, const FetchOptions& options, const std::string& param);

}  // namespace step3::serving::http
