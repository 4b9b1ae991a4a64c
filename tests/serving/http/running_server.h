#pragma once

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/serving/http/server.h"
#include "tests/serving/http/http_client.h"
#include "tests/serving/http/scripted_engine.h"

namespace step3::serving::http::testing {

/// A server on a free port of this machine over a scripted engine, with its log kept.
class RunningServer {
public:
    explicit RunningServer(ServerOptions options = {}, bool attach = true) : server_(withLog(std::move(options))) {
        if (attach) server_.attach(engine);
        thread_ = std::thread([this] { server_.run(); });
    }
    ~RunningServer() {
        server_.stop();
        server_.stop();
        if (thread_.joinable()) thread_.join();
    }

    [[nodiscard]] HttpClient connect(bool tls = false) const { return HttpClient(server_.port(), tls); }
    Response post(const std::string& path, const std::string& body, const std::string& headers = {}) const {
        HttpClient client(server_.port());
        client.post(path, body, headers);
        return client.read();
    }
    Response get(const std::string& path, const std::string& headers = {}) const {
        HttpClient client(server_.port());
        client.get(path, headers);
        return client.read();
    }
    void attach() { server_.attach(engine); }
    void stop() { server_.stop(); }
    /// Waits until run() has returned.
    void join() { thread_.join(); }
    [[nodiscard]] const Server& server() const { return server_; }
    [[nodiscard]] std::vector<std::string> log() const {
        const std::lock_guard lock(mutex_);
        return log_;
    }

    ScriptedEngine engine;

private:
    ServerOptions withLog(ServerOptions options) {
        options.port = 0;
        options.log = [this](const std::string& line) {
            const std::lock_guard lock(mutex_);
            log_.push_back(line);
        };
        return options;
    }

    mutable std::mutex mutex_;
    std::vector<std::string> log_;
    Server server_;
    std::thread thread_;
};

inline constexpr const char* kChat = "/v1/chat/completions";
inline constexpr const char* kHello = R"({"messages":[{"role":"user","content":"hi"}]})";
inline constexpr const char* kHelloStream = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";

}  // namespace step3::serving::http::testing
