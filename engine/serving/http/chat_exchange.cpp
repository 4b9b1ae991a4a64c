#include "engine/serving/http/chat_exchange.h"

#include <boost/asio/post.hpp>

namespace step3::serving::http {

namespace {

constexpr int kClientClosedRequest = 499;  // in the log only, as nginx

}  // namespace

ChatExchange::ChatExchange(ServerContext& context, std::weak_ptr<ChatPeer> peer, AccessRecord record)
    : context_(context),
      network_(context.network),
      peer_(std::move(peer)),
      record_(std::move(record)),
      work_(boost::asio::make_work_guard(network_)) {
    record_.chat = true;
}

void ChatExchange::start(std::string body) {
    context_.exchanges.insert(shared_from_this());
    boost::asio::post(context_.workers, [self = shared_from_this(), text = std::move(body)] { self->prepare(text); });
}

void ChatExchange::abandon() {
    abandoned_ = true;
    cancel();
}

void ChatExchange::cancel() {
    cancelled_ = true;
    if (requestId_) context_.engine.cancel(*requestId_);
}

void ChatExchange::prepare(const std::string& body) {
    try {
        if (cancelled_) throw ApiError(503, "ServiceUnavailableError", "the request was cancelled");
        ChatRequest chat = parseChatRequest(body, context_.model);
        const auto waiting = context_.engine.metrics().requestsWaiting;
        if (waiting >= static_cast<std::uint64_t>(context_.limits.waitingRequests)) {
            throw ApiError(503, "ServiceUnavailableError",
                           "the queue is full: " + std::to_string(waiting) + " requests are waiting");
        }
        Request request = std::move(chat.request);
        // The sink runs on the scheduler's thread and only hands over.
        const RequestId id =
            context_.engine.submit(std::move(request), [self = shared_from_this()](const Event& event) {
                boost::asio::post(self->network_, [self, event] { self->onEvent(event); });
            });
        boost::asio::post(network_, [self = shared_from_this(), chat = std::move(chat), id]() mutable {
            self->accepted(std::move(chat), id);
        });
    } catch (...) {
        boost::asio::post(network_, [self = shared_from_this(), error = fromException(std::current_exception())] {
            self->refused(error);
        });
    }
}

void ChatExchange::refused(const ApiError& error) {
    const auto peer = peer_.lock();
    if (peer && !abandoned_) peer->replyJson(error.status(), error.json());
    done(abandoned_ ? kClientClosedRequest : error.status(), abandoned_ ? "disconnected" : "refused");
}

void ChatExchange::accepted(ChatRequest options, RequestId id) {
    requestId_ = id;
    stream_ = options.stream;
    record_.stream = stream_;
    const AnswerId answer = newAnswerId(context_.model.name);
    if (stream_) {
        writer_.emplace(options, answer);
        if (const auto peer = peer_.lock(); peer && !abandoned_) {
            peer->startStream();
            peer->sendPart(writer_->first());
        }
    } else {
        collector_.emplace(options, answer);
    }
    if (cancelled_) context_.engine.cancel(id);
    for (const Event& event : std::exchange(early_, {})) deliver(event);
}

void ChatExchange::onEvent(const Event& event) {
    if (requestId_) {
        deliver(event);
    } else {
        early_.push_back(event);
    }
}

void ChatExchange::deliver(const Event& event) {
    const auto* finished = std::get_if<Finished>(&event);
    const auto* failed = std::get_if<Failed>(&event);
    const auto peer = abandoned_ ? nullptr : peer_.lock();
    int status = 200;
    if (stream_) {
        const std::string part = writer_->write(event);
        if (peer && !part.empty()) peer->sendPart(part);
        if (peer && (finished != nullptr || failed != nullptr)) peer->endStream();
    } else if (failed != nullptr || (finished != nullptr && finished->reason == FinishReason::kCancelled)) {
        const ApiError error =
            failed != nullptr ? fromEngine(failed->code, failed->message)
                              : ApiError(503, "ServiceUnavailableError", "the server stopped before the answer ended");
        status = error.status();
        if (peer) peer->replyJson(status, error.json());
    } else if (finished != nullptr) {
        if (peer) peer->replyJson(status, collector_->response(*finished));
    } else {
        collector_->add(event);
    }
    if (failed != nullptr) return done(status, abandoned_ ? "disconnected" : "error");
    if (finished == nullptr) return;
    record_.promptTokens = finished->usage.promptTokens;
    record_.imageTokens = finished->usage.imageTokens;
    record_.completionTokens = finished->usage.completionTokens;
    record_.queueSeconds = finished->usage.queueSeconds;
    record_.ttftSeconds = finished->usage.ttftSeconds;
    record_.tpotSeconds = finished->usage.tpotSeconds;
    if (abandoned_) return done(stream_ ? 200 : kClientClosedRequest, "disconnected");
    done(status, finishName(finished->reason));
}

void ChatExchange::done(int status, std::string finish) {
    record_.status = status;
    record_.finish = std::move(finish);
    if (context_.log) context_.log(logLine(record_, std::chrono::steady_clock::now()));
    context_.exchanges.erase(shared_from_this());
    work_.reset();
}

}  // namespace step3::serving::http
