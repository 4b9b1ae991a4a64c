#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include "engine/json.h"

namespace step3::serving::http::testing {

struct Response {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    std::vector<std::string> chunks;  // of a chunked body

    [[nodiscard]] Json json() const { return Json::parse(body); }
    [[nodiscard]] std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
};

/// A blocking HTTP connection that shows every byte. Reads fail the test after half a minute.
class HttpClient {
public:
    explicit HttpClient(std::uint16_t port, bool tls = false);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    void send(const std::string& bytes);
    /// POST with Content-Type application/json.
    void post(const std::string& path, const std::string& body, const std::string& headers = {});
    void get(const std::string& path, const std::string& headers = {});
    /// The next response; of a HEAD request without its body.
    Response read(bool headOnly = false);
    /// The next bytes of a stream that hold `mark`, and what came before them.
    std::string readUntil(const std::string& mark);
    /// True if the server ends the connection without another byte.
    bool ended();
    void close();
    /// Makes the connection small, so that a server that writes is soon stuck. Before anything is sent.
    int descriptor() const { return socket_; }

private:
    bool receive();  // false at the end of the connection

    int socket_ = -1;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, &SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
    std::string buffer_;
};

/// The `data:` lines of a stream, without "data: "; a line with the event's name may go before each.
std::vector<std::string> sseData(const std::string& body);

}  // namespace step3::serving::http::testing
