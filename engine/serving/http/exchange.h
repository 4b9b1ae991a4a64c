#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "engine/serving/http/access_log.h"
#include "engine/serving/http/answer.h"
#include "engine/serving/http/body_lease.h"
#include "engine/serving/http/routes.h"
#include "engine/serving/http/server_context.h"

namespace step3::serving::http {

/// The connection an answer goes to; used on the server's thread.
class Peer {
public:
    virtual ~Peer() = default;
    virtual void replyJson(int status, const std::string& body) = 0;
    virtual void startStream() = 0;
    virtual void sendPart(const std::string& part) = 0;
    virtual void endStream() = 0;
};

/// One request with a body, from that to the engine's last event. Parsing, decoding and submitting happen on a worker,
/// everything else on the server's thread. Keeps the server running until the engine has reported the end.
class Exchange : public std::enable_shared_from_this<Exchange> {
public:
    /// `context` must hold a model.
    Exchange(ServerContext& context, Route route, std::weak_ptr<Peer> peer, AccessRecord record);

    void start(std::string body, BodyLease lease);
    /// The client is gone: nothing more is sent to it, the engine stops.
    void abandon();
    /// The server stops: the engine stops, the client is told.
    void cancel();
    /// The engine reports; `choice` counts the answers.
    void onEvent(std::size_t choice, const Event& event);

private:
    struct Outcome {
        std::optional<Json> answer;
        Ask ask;
        std::vector<RequestId> ids;  // submitted, also if the next one was refused
        std::optional<ApiError> error;
    };

    [[nodiscard]] Outcome prepareAndSubmit(const std::string& body);  // on the worker
    void onOutcome(Outcome outcome);
    void deliver(std::size_t choice, const Event& event);
    void send(std::size_t choice, const Event& event);
    void fail(const ApiError& error);
    void cancelRequests();
    void reply(int status, const Json& body);
    [[nodiscard]] std::shared_ptr<Peer> peer() const { return abandoned_ ? nullptr : peer_.lock(); }
    void finish();

    ServerContext& context_;
    const ServedModel& served_;
    boost::asio::any_io_executor network_;
    Route route_;
    std::weak_ptr<Peer> peer_;
    AccessRecord record_;
    boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
    std::atomic<bool> cancelled_ = false;  // read by the worker
    bool abandoned_ = false;
    bool submitted_ = false;                            // the worker is done; what it made is here
    bool ended_ = false;                                // the client has all it will get
    std::vector<std::pair<std::size_t, Event>> early_;  // reported before `submitted_`
    std::vector<RequestId> ids_;
    std::size_t running_ = 0;  // requests without their last event
    std::unique_ptr<StreamWriter> stream_;
    std::unique_ptr<BodyWriter> whole_;
};

}  // namespace step3::serving::http
