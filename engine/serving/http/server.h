#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/serving/http/server_context.h"

namespace step3::serving::http {

struct ServerOptions {
    std::string host = "127.0.0.1";  // an address, or a name that is resolved
    std::uint16_t port = 8000;       // 0: any free one
    std::string modelName;           // under which clients know the model; empty: its own
    std::vector<std::string> apiKeys;
    std::vector<std::string> allowedOrigins;        // of web pages; "*" for all
    std::filesystem::path certificate, privateKey;  // PEM; both or none: with them the server speaks TLS only
    ServerLimits limits;
    PictureLimits pictures;
    LogSink log;
    bool logPrompts = false;     // request bodies go into the log
    bool expertMetrics = false;  // /metrics counts the tokens of each expert of each layer
    bool handleSignals = false;  // SIGINT and SIGTERM: the first stops with grace, the second at once
};

/// The OpenAI-compatible server over one engine (spec openai-api). One thread for the network, two for parsing.
class Server {
public:
    /// Listens. Throws Error kIo or kInvalidArgument naming address and port, or the option or file that is at fault.
    explicit Server(ServerOptions options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::uint16_t port() const;
    /// "http://127.0.0.1:8000"
    [[nodiscard]] std::string url() const;

    /// The model is there: requests are taken from now on. `engine` must outlive the server. Once; from any thread.
    void attach(Engine& engine);
    /// Serves until stopped; returns when every answer has ended. Before attach(), /health and /ready answer 503.
    void run();
    /// No new connections; answers may go on for the time of grace, then they are cancelled. A second call cancels at
    /// once. From any thread.
    void stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace step3::serving::http
