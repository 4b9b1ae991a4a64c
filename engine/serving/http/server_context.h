#pragma once

#include <chrono>
#include <memory>
#include <set>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/engine.h"
#include "engine/serving/http/access_log.h"
#include "engine/serving/http/auth.h"
#include "engine/serving/http/chat_request.h"

namespace step3::serving::http {

class ChatExchange;
class Session;

struct ServerLimits {
    std::uint64_t bodyBytes = 32ULL << 20;    // of a request; four 5-MB photos in base64 are 27 MB
    std::uint32_t headerBytes = 16U << 10;    // of a request
    std::size_t queuedWriteBytes = 1U << 20;  // of an answer whose client is slow
    std::size_t connections = 256;
    std::int32_t waitingRequests = 256;  // beyond these: 503
    std::chrono::milliseconds header{10'000};
    std::chrono::milliseconds body{30'000};   // without progress
    std::chrono::milliseconds idle{60'000};   // between requests of a connection
    std::chrono::milliseconds write{30'000};  // without progress
    std::chrono::milliseconds stopGrace{10'000};
};

/// What the parts of a server share. All of it is used on the server's thread only, except `engine`, `model` and
/// `workers`.
struct ServerContext {
    explicit ServerContext(Engine& served) : engine(served) {}

    Engine& engine;
    ServedModel model;
    std::int64_t started = 0;  // Unix time, `created` of the model card
    ApiKeys keys;
    ServerLimits limits;
    LogSink log;
    boost::asio::any_io_executor network;  // the server's thread
    boost::asio::thread_pool workers{1};   // parsing and pictures
    std::set<Session*> sessions;
    std::set<std::shared_ptr<ChatExchange>> exchanges;  // without their last event
    bool stopping = false;
};

}  // namespace step3::serving::http
