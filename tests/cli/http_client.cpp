#include "tests/cli/http_client.h"

#include <cctype>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace step3::test {

namespace {

/// Sends all and reads until the other side closes.
std::string exchange(int port, const std::string& request) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{60, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string reply;
    bool fine = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    for (std::size_t sent = 0; fine && sent < request.size();) {
        const ssize_t count = ::send(socket, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        fine = count > 0;
        if (fine) sent += static_cast<std::size_t>(count);
    }
    char buffer[4096];
    for (ssize_t count = 1; fine && count > 0;) {
        count = ::recv(socket, buffer, sizeof buffer, 0);
        if (count > 0) reply.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(socket);
    if (!fine) throw std::runtime_error("no connection to port " + std::to_string(port));
    return reply;
}

std::string joinedChunks(const std::string& body) {
    std::string joined;
    std::size_t at = 0;
    while (true) {
        const std::size_t line = body.find("\r\n", at);
        if (line == std::string::npos) throw std::runtime_error("a chunk is cut off: " + body);
        const std::size_t size = std::stoul(body.substr(at, line - at), nullptr, 16);
        if (size == 0) return joined;
        joined += body.substr(line + 2, size);
        at = line + 2 + size + 2;
    }
}

}  // namespace

HttpReply httpRequest(int port, const std::string& method, const std::string& target, const std::string& headers,
                      const std::string& body) {
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers;
    if (!body.empty()) {
        request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    }
    const std::string text = exchange(port, request + "\r\n" + body);
    const std::size_t end = text.find("\r\n\r\n");
    if (!text.starts_with("HTTP/1.1 ") || end == std::string::npos) throw std::runtime_error("not HTTP: " + text);
    HttpReply reply;
    reply.status = std::stoi(text.substr(9, 3));
    for (std::size_t at = text.find("\r\n") + 2; at < end + 2;) {
        const std::size_t next = text.find("\r\n", at);
        const std::size_t colon = text.find(": ", at);
        std::string name = text.substr(at, colon - at);
        for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        reply.headers[name] = text.substr(colon + 2, next - colon - 2);
        at = next + 2;
    }
    reply.body = text.substr(end + 4);
    if (reply.headers["transfer-encoding"] == "chunked") reply.body = joinedChunks(reply.body);
    return reply;
}

int portIn(const std::string& text) {
    const std::size_t address = text.find("http://127.0.0.1:");
    if (address == std::string::npos) throw std::runtime_error("no address in " + text);
    return std::stoi(text.substr(address + 17));
}

}  // namespace step3::test
