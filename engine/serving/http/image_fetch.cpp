#include "engine/serving/http/image_fetch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/serving/http/api_error.h"

namespace step3::serving::http {

namespace {

struct Network4 {
    std::uint32_t address;
    int bits;
};
/// IANA's special-purpose registry: what is not globally reachable, and the anycast and multicast ranges.
constexpr std::array kSpecial4{
    Network4{0x00000000, 8},  Network4{0x0A000000, 8},  Network4{0x64400000, 10}, Network4{0x7F000000, 8},
    Network4{0xA9FE0000, 16}, Network4{0xAC100000, 12}, Network4{0xC0000000, 24}, Network4{0xC0000200, 24},
    Network4{0xC0586300, 24}, Network4{0xC0A80000, 16}, Network4{0xC6120000, 15}, Network4{0xC6336400, 24},
    Network4{0xCB007100, 24}, Network4{0xE0000000, 4},  Network4{0xF0000000, 4},
};

bool isPublic4(std::uint32_t address) {
    return std::none_of(kSpecial4.begin(), kSpecial4.end(), [&](const Network4& network) {
        return (address ^ network.address) >> (32 - network.bits) == 0;
    });
}

/// Global unicast (2000::/3) without Teredo, ORCHID, documentation and 6to4.
bool isPublic6(const unsigned char* bytes) {
    const auto word = [&](int i) { return static_cast<unsigned>(bytes[2 * i]) << 8U | bytes[2 * i + 1]; };
    if (word(0) >> 13U != 1) return false;
    if (word(0) == 0x2002) return false;
    if (word(0) == 0x2001) return word(1) >= 0x0200 && word(1) != 0x0DB8;
    return word(0) >> 4U != 0x3FF;  // 3fff::/20 is documentation
}

class Fetch {
public:
    Fetch(const FetchOptions& options, std::string param)
        : options_(options),
          param_(std::move(param)),
          deadline_(std::chrono::steady_clock::now() + options.timeout),
          handle_(curl_easy_init(), &curl_easy_cleanup) {
        if (!handle_) throw ApiError(500, "InternalServerError", "libcurl could not be started");
    }

    std::vector<std::byte> get(std::string url) {
        for (int hop = 0; hop <= options_.redirects; ++hop) {
            admitUrl(url);
            if (const auto next = request(url); next.empty()) {
                return std::move(bytes_);
            } else {
                url = next;
            }
        }
        throw refused("more than " + std::to_string(options_.redirects) + " redirects");
    }

private:
    [[nodiscard]] ApiError notAdmitted(const std::string& what) const {
        return ruleError(param_ + ": " + what, param_);
    }
    [[nodiscard]] static ApiError refused(const std::string& what) {
        return {422, "UnprocessableEntityError", "the picture could not be fetched: " + what, "image_url"};
    }
    [[nodiscard]] static ApiError failed(const std::string& what) {
        return {500, "InternalServerError", "the picture could not be fetched: " + what};
    }

    void admitUrl(const std::string& url) const {
        const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
        const auto part = [&](CURLUPart which) {
            char* text = nullptr;
            if (curl_url_get(parsed.get(), which, &text, 0) != CURLUE_OK) return std::string();
            std::string copy = text;
            curl_free(text);
            return copy;
        };
        if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
            throw notAdmitted("expected an http(s) URL without a user's name, found another text");
        }
        const std::string scheme = part(CURLUPART_SCHEME);
        if (scheme != "http" && scheme != "https") throw notAdmitted("only http and https are fetched");
        std::string host = part(CURLUPART_HOST);
        std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) { return std::tolower(c); });
        const auto& hosts = options_.hosts;
        if (!hosts.empty() && std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
            throw notAdmitted("this server fetches no pictures from that host");
        }
    }

    /// One request; the URL it was sent on to, or nothing if `bytes_` is the answer.
    std::string request(const std::string& url) {
        using std::chrono::milliseconds;
        const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) throw failed("it took too long");
        CURL* curl = handle_.get();
        curl_easy_reset(curl);
        bytes_.clear();
        blocked_ = false;
        tooLarge_ = false;
        curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");  // the environment's would connect for us, unchecked
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);  // every hop is checked
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "step3/" STEP3_VERSION);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &Fetch::openSocket);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, this);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Fetch::take);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
        const CURLcode result = curl_easy_perform(curl);
        if (blocked_) throw notAdmitted("the host has no address that this server fetches from");
        if (tooLarge_) throw refused("it has more than " + std::to_string(options_.maxBytes) + " bytes");
        if (result == CURLE_OPERATION_TIMEDOUT) throw failed("it took too long");
        if (result == CURLE_COULDNT_RESOLVE_HOST) throw notAdmitted("the host is not known");
        if (result != CURLE_OK) throw failed(curl_easy_strerror(result));
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 300 && status < 400) {
            char* next = nullptr;
            curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &next);
            if (next == nullptr || *next == '\0') throw refused("status " + std::to_string(status));
            return next;
        }
        if (status >= 500 || status == 408 || status == 429) throw failed("status " + std::to_string(status));
        if (status != 200) throw refused("status " + std::to_string(status));
        return {};
    }

    static curl_socket_t openSocket(void* self, curlsocktype purpose, curl_sockaddr* address) {
        auto& fetch = *static_cast<Fetch*>(self);
        if (purpose != CURLSOCKTYPE_IPCXN || !fetch.options_.admits(address->addr)) {
            fetch.blocked_ = true;
            return CURL_SOCKET_BAD;
        }
        fetch.blocked_ = false;  // of several addresses one will do
        return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    }

    static std::size_t take(char* data, std::size_t, std::size_t count, void* self) {
        auto& fetch = *static_cast<Fetch*>(self);
        if (fetch.bytes_.size() + count > fetch.options_.maxBytes) {
            fetch.tooLarge_ = true;
            return 0;
        }
        const auto* bytes = reinterpret_cast<const std::byte*>(data);
        fetch.bytes_.insert(fetch.bytes_.end(), bytes, bytes + count);
        return count;
    }

    const FetchOptions& options_;
    std::string param_;
    std::chrono::steady_clock::time_point deadline_;
    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
    std::vector<std::byte> bytes_;
    bool blocked_ = false;
    bool tooLarge_ = false;
};

}  // namespace

bool isPublicAddress(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        return isPublic4(ntohl(v4.sin_addr.s_addr));
    }
    if (address.sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        return isPublic6(v6.sin6_addr.s6_addr);
    }
    return false;
}

std::vector<std::byte> fetchImage(const std::string& url, const FetchOptions& options, const std::string& param) {
    return Fetch(options, param).get(url);
}

}  // namespace step3::serving::http
