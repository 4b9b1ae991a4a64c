#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <set>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/engine.h"
#include "engine/serving/http/access_log.h"
#include "engine/serving/http/auth.h"
#include "engine/serving/http/cors.h"
#include "engine/serving/http/event_queue.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

class Exchange;
class Session;

struct ServerLimits {
    std::uint64_t bodyBytes = 32ULL << 20;      // of a request; four 5-MB photos in base64 are 27 MB
    std::uint64_t allBodiesBytes = 1ULL << 30;  // of all requests not yet read together
    std::uint32_t headerBytes = 16U << 10;      // of a request
    std::size_t queuedWriteBytes = 1U << 20;    // of an answer whose client is slow
    std::size_t connections = 2048;             // beyond these new ones are closed at once
    std::chrono::milliseconds header{10'000};   // for the whole header, and for the TLS handshake
    std::chrono::milliseconds body{30'000};     // without progress
    std::chrono::milliseconds wholeBody{300'000};
    std::chrono::milliseconds idle{60'000};   // between requests of a connection
    std::chrono::milliseconds write{30'000};  // without progress
    std::chrono::milliseconds ping{15'000};   // a stream that says nothing for so long sends a comment
    std::chrono::milliseconds stopGrace{10'000};
};

/// What the parts of a server share. All of it is used on the server's thread only, except `served`, which does not
/// change once it is there, `workers`, `events` and `bodyBytes`.
struct ServerContext {
    explicit ServerContext(std::size_t workerThreads) : workers(workerThreads) {}

    std::unique_ptr<const ServedModel> served;  // null while the model is being loaded
    ApiKeys keys;
    Cors cors;
    ServerLimits limits;
    LogSink log;
    bool logPrompts = false;
    bool expertMetrics = false;
    boost::asio::any_io_executor network;  // the server's thread
    boost::asio::thread_pool workers;      // parsing and pictures
    EventQueue events;
    std::atomic<std::uint64_t> bodyBytes = 0;
    std::set<Session*> sessions;
    std::set<std::shared_ptr<Exchange>> exchanges;  // without their last event
    bool stopping = false;
    metrics::HttpMetrics http;

    /// A request has its answer: counts and logs it.
    void answered(const AccessRecord& record) {
        const auto now = std::chrono::steady_clock::now();
        if (const auto counted = countedRequest(record, now)) http.add(*counted);
        if (log) log(logLine(record, now));
    }
};

}  // namespace step3::serving::http
