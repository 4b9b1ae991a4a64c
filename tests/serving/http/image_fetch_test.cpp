// Pictures by URL: off unless asked for, and never from an address that is not public.

#include "engine/serving/http/image_fetch.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/serving/http/api_error.h"
#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;

namespace {

/// A web server that gives each connection the bytes that `answer` makes of its request line.
class RemoteHost {
public:
    explicit RemoteHost(std::function<std::string(const std::string&)> answer) : answer_(std::move(answer)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener_, 16) == 0);
        socklen_t size = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~RemoteHost() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] int hits() const { return hits_; }
    [[nodiscard]] std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }

private:
    void run() {
        for (;;) {
            const int socket = ::accept(listener_, nullptr, nullptr);
            if (socket < 0) return;
            ++hits_;
            std::string request;
            char bytes[2048];
            while (request.find("\r\n\r\n") == std::string::npos) {
                const auto count = ::recv(socket, bytes, sizeof bytes, 0);
                if (count <= 0) break;
                request.append(bytes, static_cast<std::size_t>(count));
            }
            const std::string reply = answer_(request.substr(0, request.find('\r')));
            for (std::size_t sent = 0; sent < reply.size();) {
                const auto count = ::send(socket, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
                if (count <= 0) break;
                sent += static_cast<std::size_t>(count);
            }
            if (reply.empty()) ::recv(socket, bytes, sizeof bytes, 0);  // says nothing until the client leaves
            ::close(socket);
        }
    }

    std::function<std::string(const std::string&)> answer_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> hits_ = 0;
    std::thread thread_;
};

std::string reply(const std::string& status, const std::string& body, const std::string& header = {}) {
    return "HTTP/1.1 " + status + "\r\n" + header + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

/// Options that admit this machine at one port.
FetchOptions admitting(std::uint16_t port) {
    FetchOptions options;
    options.enabled = true;
    options.admits = [port](const sockaddr& address) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        return address.sa_family == AF_INET && ntohs(v4.sin_port) == port;
    };
    return options;
}

ApiError errorOf(const std::string& url, const FetchOptions& options) {
    try {
        fetchImage(url, options, "url");
    } catch (const ApiError& error) {
        return error;
    }
    FAIL("fetched " + url);
    throw std::logic_error("not reached");
}

bool isPublic(const std::string& text) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        return isPublicAddress(reinterpret_cast<const sockaddr&>(v4));
    }
    REQUIRE(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1);
    v6.sin6_family = AF_INET6;
    return isPublicAddress(reinterpret_cast<const sockaddr&>(v6));
}

}  // namespace

TEST_CASE("public addresses and all the others") {
    for (const char* address :
         {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.167.1.1",
          "223.255.255.255", "2606:4700::1111", "2a00::1", "2001:4860:4860::8888"}) {
        INFO(address);
        CHECK(isPublic(address));
    }
    for (const char* address : {"0.0.0.0",         "10.1.2.3",    "100.64.0.1",      "127.0.0.1",    "127.255.255.255",
                                "169.254.169.254", "172.16.0.1",  "172.31.9.9",      "192.0.0.8",    "192.0.2.1",
                                "192.168.1.1",     "198.18.0.1",  "198.19.255.1",    "198.51.100.2", "203.0.113.3",
                                "224.0.0.1",       "240.0.0.1",   "255.255.255.255", "::",           "::1",
                                "::ffff:8.8.8.8",  "fe80::1",     "fc00::1",         "fd12::1",      "ff02::1",
                                "64:ff9b::a00:1",  "2001:db8::1", "2001::1",         "2002:a00:1::1"}) {
        INFO(address);
        CHECK_FALSE(isPublic(address));
    }
}

TEST_CASE("a picture is fetched, redirects included") {
    const RemoteHost host([](const std::string& line) {
        if (line.find("/moved") != std::string::npos) return reply("302 Found", "", "Location: /file?x=1\r\n");
        if (line.find("/file?x=1") != std::string::npos) return reply("200 OK", "bytes of a picture");
        return reply("302 Found", "", "Location: /loop\r\n");
    });
    const FetchOptions options = admitting(host.port());
    const auto bytes = fetchImage(host.url("/moved"), options, "url");
    CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == "bytes of a picture");
    const ApiError loop = errorOf(host.url("/loop"), options);
    CHECK(loop.status() == 422);
    CHECK(std::string(loop.what()) == "the picture could not be fetched: more than 3 redirects");
}

TEST_CASE("addresses that are not admitted are never connected to") {
    const RemoteHost inner([](const std::string&) { return reply("200 OK", "secret"); });
    FetchOptions options;
    options.enabled = true;
    const std::string port = std::string(":").append(std::to_string(inner.port()));
    for (const std::string host :
         {"127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"}) {
        INFO(host);
        const ApiError error = errorOf("http://" + host + port + "/", options);
        CHECK(error.status() == 400);
        CHECK(error.param() == "url");
        CHECK(std::string(error.what()) == "url: the host has no address that this server fetches from");
    }
    // Not by a redirect from an admitted host either.
    const RemoteHost outer(
        [&](const std::string&) { return reply("302 Found", "", "Location: " + inner.url() + "\r\n"); });
    CHECK(errorOf(outer.url(), admitting(outer.port())).status() == 400);
    const RemoteHost toFile(
        [](const std::string&) { return reply("302 Found", "", "Location: file:///etc/passwd\r\n"); });
    CHECK(errorOf(toFile.url(), admitting(toFile.port())).status() == 400);
    CHECK(inner.hits() == 0);
    CHECK(outer.hits() == 1);
    // Nor through a proxy of the environment.
    ::setenv("http_proxy", inner.url().c_str(), 1);
    CHECK(errorOf("http://127.0.0.1:9/", options).status() == 400);
    ::unsetenv("http_proxy");
    CHECK(inner.hits() == 0);
}

TEST_CASE("hosts, schemes and names that are not admitted") {
    const RemoteHost host([](const std::string&) { return reply("200 OK", "x"); });
    FetchOptions options = admitting(host.port());
    options.hosts = {"pictures.example"};
    CHECK(std::string(errorOf(host.url(), options).what()) == "url: this server fetches no pictures from that host");
    options.hosts = {"127.0.0.1"};
    CHECK(fetchImage(host.url(), options, "url").size() == 1);
    for (const char* url : {"ftp://127.0.0.1/", "http://user:word@127.0.0.1/", "http://", "file:///etc/passwd"}) {
        INFO(url);
        CHECK(errorOf(url, options).status() == 400);
    }
}

TEST_CASE("what the other host does becomes a status") {
    std::mutex mutex;
    std::string answer;
    const auto answerWith = [&](const std::string& text) {
        const std::lock_guard lock(mutex);
        answer = text;
    };
    const RemoteHost host([&](const std::string&) {
        const std::lock_guard lock(mutex);
        return answer;
    });
    FetchOptions options = admitting(host.port());
    options.maxBytes = 1000;
    options.timeout = std::chrono::milliseconds(300);
    const auto statusFor = [&](const std::string& text) {
        answerWith(text);
        return errorOf(host.url(), options).status();
    };
    CHECK(statusFor(reply("404 Not Found", "")) == 422);
    CHECK(statusFor(reply("403 Forbidden", "")) == 422);
    CHECK(statusFor(reply("429 Too Many", "")) == 500);
    CHECK(statusFor(reply("500 Broken", "")) == 500);
    CHECK(statusFor("") == 500);  // until the time is over
    CHECK(statusFor("no HTTP at all\r\n\r\n") == 500);
    answerWith(reply("200 OK", std::string(1001, 'x')));
    const ApiError large = errorOf(host.url(), options);
    CHECK(large.status() == 422);
    CHECK(large.type() == "UnprocessableEntityError");
    CHECK(large.param() == "image_url");
    CHECK(std::string(large.what()) == "the picture could not be fetched: it has more than 1000 bytes");
}

TEST_CASE("requests may name pictures by URL only if the server fetches") {
    std::string png(
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9c"
        "c\xf8\xcf\xc0\0\0\3\1\1\0\xc9\xfe\x92\xef\0\0\0\0IEND\xae"
        "B`\x82",
        69);
    const std::string webp("RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0/\x1f\xc0\x05\0\x07P\x8f\"\xd7\xa3\xff\x81\x88\xe8\x7f\0\0",
                           38);
    const RemoteHost host([&](const std::string& line) {
        if (line.find("/page") != std::string::npos) return reply("200 OK", "<html>");
        return reply("200 OK", line.find("/a.webp") != std::string::npos ? webp : png);
    });
    const auto body = [&](const std::string& path) {
        return R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":")" + host.url(path) +
               "\"}}]}]}";
    };
    const RunningServer closed;
    CHECK(
        closed.post(kChat, body("/a.png")).json()["error"]["message"] ==
        "body.messages.0.content.0.image_url.url: this server fetches no pictures from the network: send a data: URI");
    CHECK(host.hits() == 0);
    ServerOptions options;
    options.pictures.fetch = admitting(host.port());
    RunningServer open(options);
    CHECK(open.post(kChat, body("/a.png")).status == 200);
    CHECK(open.engine.call(0).request.messages[0].parts[0].image->width == 1);
    CHECK(open.post(kChat, body("/a.webp")).status == 200);
    CHECK(open.engine.call(1).request.messages[0].parts[0].image->width == 32);
    CHECK(open.post(kChat, body("/page")).status == 400);
}
