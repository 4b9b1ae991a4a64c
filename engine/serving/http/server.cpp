#include "engine/serving/http/server.h"

#include <csignal>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "engine/serving/http/exchange.h"
#include "engine/serving/http/session.h"
#include "engine/serving/http/transport.h"

namespace step3::serving::http {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t kWorkerThreads = 2;
constexpr std::size_t kFetchingWorkerThreads = 8;       // they wait for other hosts most of the time
constexpr std::chrono::milliseconds kAcceptPause{100};  // after an error such as too many open files
constexpr std::chrono::milliseconds kLastWords{2'000};  // to tell the clients of cancelled answers

}  // namespace

struct Server::Impl {
    explicit Impl(ServerOptions serverOptions)
        : options(std::move(serverOptions)),
          context(options.pictures.fetch.enabled ? kFetchingWorkerThreads : kWorkerThreads),
          acceptor(io),
          pause(io),
          ending(io),
          grace(io),
          signals(io) {
        if (options.certificate.empty() != options.privateKey.empty()) {
            throw Error(ErrorCode::kInvalidArgument,
                        "TLS needs both a certificate and its private key, found only one");
        }
        if (!options.certificate.empty()) tls = serverTls(options.certificate, options.privateKey);
        context.keys = ApiKeys(options.apiKeys);
        context.cors = Cors(options.allowedOrigins);
        context.limits = options.limits;
        context.log = options.log;
        context.logPrompts = options.logPrompts;
        context.expertMetrics = options.expertMetrics;
        context.network = io.get_executor();
        context.events.start(io.get_executor());
        listen();
        if (options.handleSignals) {
            signals.add(SIGINT);
            signals.add(SIGTERM);
            awaitSignal();
        }
        accept();
    }

    /// After run() there is nothing left. Without it, answers under way are ended here: the engine reports to `io`.
    ~Impl() {
        cancelAll();
        io.restart();
        while (!context.exchanges.empty()) io.run_one();
        context.workers.join();
    }

    void listen() {
        const auto reject = [&](const std::string& what) {
            return Error(ErrorCode::kIo,
                         "cannot listen on " + options.host + ", port " + std::to_string(options.port) + ": " + what);
        };
        boost::system::error_code error;
        tcp::resolver resolver(io);
        const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                            tcp::resolver::passive | tcp::resolver::numeric_service, error);
        if (error || found.empty()) throw reject(error ? error.message() : "the name has no address");
        const tcp::endpoint endpoint = *found.begin();
        acceptor.open(endpoint.protocol(), error);
        if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
        if (!error) acceptor.bind(endpoint, error);
        if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
        if (error) throw reject(error.message());
        bound = acceptor.local_endpoint();
    }

    void accept() {
        acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
            if (!acceptor.is_open()) return;
            if (error) {
                pause.expires_after(kAcceptPause);
                pause.async_wait([this](boost::system::error_code cancelled) {
                    if (!cancelled && acceptor.is_open()) accept();
                });
                return;
            }
            // Beyond the limit the socket is closed here: an answer would cost what the limit saves.
            if (context.sessions.size() < options.limits.connections) {
                auto transport = tls ? Transport::secure(std::move(socket), *tls) : Transport::plain(std::move(socket));
                std::make_shared<Session>(context, std::move(transport))->start();
            }
            accept();
        });
    }

    void awaitSignal() {
        signals.async_wait([this](boost::system::error_code error, int) {
            if (error) return;
            awaitSignal();  // first: stop() takes the wait back where nothing is left to end
            stop();
        });
    }

    /// While answers are under way new connections are taken, to learn from /health and from refusals that the server
    /// stops.
    void stop() {
        const bool again = std::exchange(context.stopping, true);
        stopSessions(false);
        if (again) {
            cancelAll();
        } else {
            grace.expires_after(options.limits.stopGrace);
            grace.async_wait([this](boost::system::error_code error) {
                if (!error) cancelAll();
            });
        }
        endIfIdle();
    }

    void stopSessions(bool evenReading) {
        const auto sessions = context.sessions;  // a session that ends leaves the set
        for (Session* session : sessions) {
            if (context.sessions.count(session) > 0) session->stop(evenReading);
        }
    }

    void cancelAll() {
        const auto exchanges = context.exchanges;
        for (const auto& exchange : exchanges) exchange->cancel();
        stopSessions(true);
        // A client that does not take the end of its answer is not waited for.
        grace.expires_after(kLastWords);
        grace.async_wait([this](boost::system::error_code error) {
            if (!error) closeSessions();
        });
    }

    void closeSessions() {
        const auto sessions = context.sessions;
        for (Session* session : sessions) {
            if (context.sessions.count(session) > 0) session->close();
        }
    }

    /// The timer of grace and the wait for signals would keep run() from returning; both go once nothing is left.
    void endIfIdle() {
        if (context.exchanges.empty()) {
            boost::system::error_code ignored;
            acceptor.close(ignored);
            stopSessions(false);
            if (context.sessions.empty()) {
                grace.cancel();
                signals.cancel();
                return;
            }
        }
        ending.expires_after(std::chrono::milliseconds(20));
        ending.async_wait([this](boost::system::error_code error) {
            if (!error) endIfIdle();
        });
    }

    ServerOptions options;
    ServerContext context;  // before `io`, whose end takes the sessions with it
    std::optional<asio::ssl::context> tls;
    asio::io_context io{1};
    tcp::acceptor acceptor;
    asio::steady_timer pause;   // of accepting, after a failure
    asio::steady_timer ending;  // until it is looked again whether all has ended
    asio::steady_timer grace;
    asio::signal_set signals;
    tcp::endpoint bound;
};

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
    return impl_->bound.port();
}

std::string Server::url() const {
    const auto address = impl_->bound.address();
    const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return (impl_->tls ? "https://" : "http://") + host + ":" + std::to_string(port());
}

void Server::attach(Engine& engine) {
    auto served = std::make_unique<const ServedModel>(engine, impl_->options.modelName, impl_->options.pictures);
    boost::asio::post(impl_->io,
                      [this, model = std::move(served)]() mutable { impl_->context.served = std::move(model); });
}

void Server::run() {
    impl_->io.run();
}

void Server::stop() {
    boost::asio::post(impl_->io, [this] { impl_->stop(); });
}

}  // namespace step3::serving::http
