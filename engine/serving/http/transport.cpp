#include "engine/serving/http/transport.h"

#include <boost/asio/ssl/stream.hpp>

#include "engine/error.h"

namespace step3::serving::http {

namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

class PlainTransport final : public Transport {
public:
    explicit PlainTransport(Socket socket) : socket_(std::move(socket)) {}

    void handshake(Done done) override { done({}); }
    void readSome(asio::mutable_buffer buffer, Moved moved) override {
        socket_.async_read_some(buffer, std::move(moved));
    }
    void writeSome(asio::const_buffer buffer, Moved moved) override {
        socket_.async_write_some(buffer, std::move(moved));
    }
    void endWriting(Done done) override {
        boost::system::error_code error;
        socket_.shutdown(Socket::shutdown_send, error);
        done(error);
    }
    Socket& socket() override { return socket_; }

private:
    Socket socket_;
};

class SecureTransport final : public Transport {
public:
    SecureTransport(Socket socket, ssl::context& tls) : stream_(std::move(socket), tls) {}

    void handshake(Done done) override { stream_.async_handshake(ssl::stream_base::server, std::move(done)); }
    void readSome(asio::mutable_buffer buffer, Moved moved) override {
        stream_.async_read_some(buffer, std::move(moved));
    }
    void writeSome(asio::const_buffer buffer, Moved moved) override {
        stream_.async_write_some(buffer, std::move(moved));
    }
    void endWriting(Done done) override { stream_.async_shutdown(std::move(done)); }
    Socket& socket() override { return stream_.next_layer(); }

private:
    ssl::stream<Socket> stream_;
};

}  // namespace

std::shared_ptr<Transport> Transport::plain(Socket socket) {
    return std::make_shared<PlainTransport>(std::move(socket));
}

std::shared_ptr<Transport> Transport::secure(Socket socket, ssl::context& tls) {
    return std::make_shared<SecureTransport>(std::move(socket), tls);
}

ssl::context serverTls(const std::filesystem::path& certificate, const std::filesystem::path& privateKey) {
    ssl::context tls(ssl::context::tls_server);
    tls.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                    ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | ssl::context::single_dh_use);
    boost::system::error_code error;
    tls.use_certificate_chain_file(certificate.string(), error);
    if (error) {
        throw Error(ErrorCode::kInvalidData,
                    certificate.string() + ": expected a certificate in PEM form: " + error.message());
    }
    tls.use_private_key_file(privateKey.string(), ssl::context::pem, error);
    if (error) {
        throw Error(ErrorCode::kInvalidData, privateKey.string() + ": expected the private key of " +
                                                 certificate.string() + " in PEM form: " + error.message());
    }
    return tls;
}

}  // namespace step3::serving::http
