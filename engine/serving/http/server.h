#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/serving/http/server_context.h"

namespace step3::serving::http {

struct ServerOptions {
    std::string host = "127.0.0.1";  // an address, or a name that is resolved
    std::uint16_t port = 8000;       // 0: any free one
    std::vector<std::string> apiKeys;
    ServerLimits limits;
    LogSink log;
    bool handleSignals = false;  // SIGINT and SIGTERM: the first stops with grace, the second at once
};

/// The OpenAI-compatible server over one engine: /health, /v1/models, /v1/chat/completions (spec openai-api). One
/// thread for the network, one for parsing.
class Server {
public:
    /// Listens. `engine` must outlive the server. Throws Error kIo or kInvalidArgument naming address and port.
    Server(Engine& engine, ServerOptions options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::uint16_t port() const;
    /// "http://127.0.0.1:8000"
    [[nodiscard]] std::string url() const;

    /// Serves until stopped; returns when every answer has ended.
    void run();
    /// No new connections; answers may go on for the time of grace, then they are cancelled. A second call cancels at
    /// once. From any thread.
    void stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace step3::serving::http
