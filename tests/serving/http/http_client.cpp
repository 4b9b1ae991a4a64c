#include "tests/serving/http/http_client.h"

#include <algorithm>
#include <cctype>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace step3::serving::http::testing {

HttpClient::HttpClient(std::uint16_t port, bool tls) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(socket_ >= 0);
    const timeval patience{30, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    if (!tls) return;
    context_.reset(SSL_CTX_new(TLS_client_method()));
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_);
    REQUIRE(SSL_connect(ssl_.get()) == 1);
}

HttpClient::~HttpClient() {
    close();
}

void HttpClient::close() {
    ssl_.reset();
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
}

void HttpClient::send(const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const auto left = bytes.size() - sent;
        const auto now = ssl_ ? SSL_write(ssl_.get(), bytes.data() + sent, static_cast<int>(left))
                              : ::send(socket_, bytes.data() + sent, left, MSG_NOSIGNAL);
        if (now <= 0) return;  // the server has ended the connection; what it said is there to be read
        sent += static_cast<std::size_t>(now);
    }
}

void HttpClient::post(const std::string& path, const std::string& body, const std::string& headers) {
    send("POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

void HttpClient::get(const std::string& path, const std::string& headers) {
    send("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
}

bool HttpClient::receive() {
    char bytes[8192];
    const auto count = ssl_ ? SSL_read(ssl_.get(), bytes, sizeof bytes) : ::recv(socket_, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EAGAIN) FAIL("nothing came for half a minute; so far: " + buffer_);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
}

std::string HttpClient::readUntil(const std::string& mark) {
    std::size_t at = 0;
    while ((at = buffer_.find(mark)) == std::string::npos) {
        if (!receive()) FAIL("the connection ended before \"" + mark + "\" came; so far: " + buffer_);
    }
    const std::string found = buffer_.substr(0, at + mark.size());
    buffer_.erase(0, found.size());
    return found;
}

Response HttpClient::read(bool headOnly) {
    Response response;
    const std::string head = readUntil("\r\n\r\n");
    REQUIRE(head.compare(0, 7, "HTTP/1.") == 0);
    response.status = std::stoi(head.substr(9, 3));
    for (std::size_t from = head.find("\r\n") + 2; from + 2 < head.size();) {
        const std::size_t end = head.find("\r\n", from);
        const std::size_t colon = head.find(": ", from);
        REQUIRE(colon < end);
        std::string name = head.substr(from, colon - from);
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
        response.headers[name] = head.substr(colon + 2, end - colon - 2);
        from = end + 2;
    }
    if (headOnly || response.status == 100) return response;
    if (response.header("transfer-encoding") == "chunked") {
        for (;;) {
            const std::size_t size = std::stoul(readUntil("\r\n"), nullptr, 16);
            while (buffer_.size() < size + 2) REQUIRE(receive());
            if (size == 0) break;
            response.chunks.push_back(buffer_.substr(0, size));
            response.body += response.chunks.back();
            buffer_.erase(0, size + 2);
        }
        buffer_.erase(0, 2);
    } else if (!response.header("content-length").empty()) {
        const std::size_t size = std::stoul(response.header("content-length"));
        while (buffer_.size() < size) REQUIRE(receive());
        response.body = buffer_.substr(0, size);
        buffer_.erase(0, size);
    } else {
        while (receive()) {
        }
        response.body = std::exchange(buffer_, {});
    }
    return response;
}

bool HttpClient::ended() {
    return buffer_.empty() && !receive();
}

std::vector<std::string> sseData(const std::string& body) {
    std::vector<std::string> data;
    for (std::size_t from = 0; from < body.size();) {
        const std::size_t end = body.find("\n\n", from);
        REQUIRE(end != std::string::npos);
        if (body.compare(from, 7, "event: ") == 0) from = body.find('\n', from) + 1;
        REQUIRE(body.compare(from, 6, "data: ") == 0);
        data.push_back(body.substr(from + 6, end - from - 6));
        REQUIRE(data.back().find('\n') == std::string::npos);
        from = end + 2;
    }
    return data;
}

}  // namespace step3::serving::http::testing
