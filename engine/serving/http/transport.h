#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace step3::serving::http {

/// The bytes to and from one client: TCP, or TLS over TCP. At most one read and one write at a time. Used on the
/// server's thread; a handler keeps its transport alive by what it captures.
class Transport {
public:
    using Socket = boost::asio::ip::tcp::socket;
    using Done = std::function<void(boost::system::error_code)>;
    using Moved = std::function<void(boost::system::error_code, std::size_t)>;

    static std::shared_ptr<Transport> plain(Socket socket);
    static std::shared_ptr<Transport> secure(Socket socket, boost::asio::ssl::context& tls);
    virtual ~Transport() = default;

    /// Must succeed before anything else.
    virtual void handshake(Done done) = 0;
    virtual void readSome(boost::asio::mutable_buffer buffer, Moved moved) = 0;
    virtual void writeSome(boost::asio::const_buffer buffer, Moved moved) = 0;
    /// Tells the client that nothing more comes; `done` once that is on its way.
    virtual void endWriting(Done done) = 0;
    virtual Socket& socket() = 0;
};

/// A context for TLS 1.2 and later from PEM files; the certificate file may hold the whole chain. Throws Error naming
/// the file that cannot be used, or both if they do not belong together.
boost::asio::ssl::context serverTls(const std::filesystem::path& certificate, const std::filesystem::path& privateKey);

}  // namespace step3::serving::http
