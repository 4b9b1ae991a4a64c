#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "engine/serving/http/access_log.h"
#include "engine/serving/http/api_error.h"
#include "engine/serving/http/chat_response.h"
#include "engine/serving/http/server_context.h"

namespace step3::serving::http {

/// The connection an answer goes to; used on the server's thread.
class ChatPeer {
public:
    virtual ~ChatPeer() = default;
    virtual void replyJson(int status, const Json& body) = 0;
    virtual void startStream() = 0;
    virtual void sendPart(const std::string& part) = 0;
    virtual void endStream() = 0;
};

/// One chat request from its body to its last event. Parsing, decoding and submitting happen on a worker, everything
/// else on the server's thread. Keeps the server running until the engine has reported the end.
class ChatExchange : public std::enable_shared_from_this<ChatExchange> {
public:
    ChatExchange(ServerContext& context, std::weak_ptr<ChatPeer> peer, AccessRecord record);

    void start(std::string body);
    /// The client is gone: nothing more is sent to it, the engine stops.
    void abandon();
    /// The server stops: the engine stops, the client is told.
    void cancel();

private:
    void prepare(const std::string& body);  // on the worker
    void refused(const ApiError& error);
    void accepted(ChatRequest options, RequestId id);
    void onEvent(const Event& event);
    void deliver(const Event& event);
    void done(int status, std::string finish);

    ServerContext& context_;
    boost::asio::any_io_executor network_;
    std::weak_ptr<ChatPeer> peer_;
    AccessRecord record_;
    boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
    std::atomic<bool> cancelled_ = false;  // read by the worker
    bool abandoned_ = false;
    std::optional<RequestId> requestId_;
    std::vector<Event> early_;  // reported before submit() returned
    bool stream_ = false;
    std::optional<ChunkWriter> writer_;
    std::optional<AnswerCollector> collector_;
};

}  // namespace step3::serving::http
