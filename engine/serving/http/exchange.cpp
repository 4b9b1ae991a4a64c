#include "engine/serving/http/exchange.h"

#include <boost/asio/post.hpp>

#include "engine/serving/http/answer_parts.h"
#include "engine/serving/http/endpoints.h"

namespace step3::serving::http {

namespace {

constexpr int kClientClosedRequest = 499;  // in the log only, as nginx

}  // namespace

Exchange::Exchange(ServerContext& context, Route route, std::weak_ptr<Peer> peer, AccessRecord record)
    : context_(context),
      served_(*context.served),
      network_(context.network),
      route_(route),
      peer_(std::move(peer)),
      record_(std::move(record)),
      work_(boost::asio::make_work_guard(network_)) {}

void Exchange::start(std::string body, BodyLease lease) {
    context_.exchanges.insert(shared_from_this());
    if (context_.logPrompts) record_.body = body.substr(0, kLoggedBodyBytes);
    boost::asio::post(
        context_.workers, [self = shared_from_this(), text = std::move(body), held = std::move(lease)]() mutable {
            Outcome outcome = self->prepareAndSubmit(text);
            text = {};
            held = BodyLease();
            boost::asio::post(self->network_,
                              [self, made = std::move(outcome)]() mutable { self->onOutcome(std::move(made)); });
        });
}

void Exchange::abandon() {
    abandoned_ = true;
    cancel();
}

void Exchange::cancel() {
    cancelled_ = true;
    cancelRequests();
}

void Exchange::cancelRequests() {
    for (const RequestId id : ids_) served_.engine.cancel(id);
}

Exchange::Outcome Exchange::prepareAndSubmit(const std::string& body) {
    Outcome outcome;
    try {
        if (cancelled_) throw ApiError(503, "ServiceUnavailableError", "the request was cancelled");
        Prepared prepared = prepare(route_, body, served_, record_.idFromClient ? record_.id : std::string());
        if (auto* answer = std::get_if<Json>(&prepared)) {
            outcome.answer = std::move(*answer);
            return outcome;
        }
        outcome.ask = std::move(std::get<Ask>(prepared));
        for (const Request& request : outcome.ask.prompts) {
            std::vector<EventSink> sinks;
            for (std::size_t i = 0; i < outcome.ask.choices; ++i) {
                // A sink runs on the engine's thread and only hands over.
                const std::size_t choice = outcome.ids.size() + i;
                sinks.emplace_back([self = shared_from_this(), choice](const Event& event) {
                    self->context_.events.push(self, choice, event);
                });
            }
            const auto ids = served_.engine.submitChoices(request, std::move(sinks));
            outcome.ids.insert(outcome.ids.end(), ids.begin(), ids.end());
        }
    } catch (...) {
        outcome.error = fromException(std::current_exception());
    }
    return outcome;
}

void Exchange::onOutcome(Outcome outcome) {
    submitted_ = true;
    ids_ = std::move(outcome.ids);
    running_ = ids_.size();
    stream_ = std::move(outcome.ask.stream);
    whole_ = std::move(outcome.ask.whole);
    if (outcome.error) {
        fail(*outcome.error);
    } else if (outcome.answer) {
        ended_ = true;
        record_.status = 200;
        reply(200, *outcome.answer);
    } else {
        record_.generation = GenerationRecord{};
        record_.generation->stream = stream_ != nullptr;
        record_.status = 200;
        if (const auto to = peer(); to && stream_) to->startStream();
        if (cancelled_) cancelRequests();
    }
    for (const auto& [choice, event] : std::exchange(early_, {})) deliver(choice, event);
    if (ids_.empty()) finish();
}

void Exchange::onEvent(std::size_t choice, const Event& event) {
    if (submitted_) {
        deliver(choice, event);
    } else {
        early_.emplace_back(choice, event);
    }
}

void Exchange::deliver(std::size_t choice, const Event& event) {
    const auto* finished = std::get_if<Finished>(&event);
    const auto* failed = std::get_if<Failed>(&event);
    if (finished != nullptr || failed != nullptr) --running_;
    if (finished != nullptr && record_.generation) record_.generation->add(*finished, finishName(finished->reason));
    if (failed != nullptr) {
        fail(fromEngine(failed->code, failed->message));
    } else if (!ended_) {
        send(choice, event);
    }
    if (running_ == 0) finish();
}

void Exchange::send(std::size_t choice, const Event& event) {
    const auto* finished = std::get_if<Finished>(&event);
    const auto to = peer();
    if (stream_) {
        const std::string part = stream_->write(choice, event);
        if (to && !part.empty()) to->sendPart(part);
    } else if (finished != nullptr && finished->reason == FinishReason::kCancelled) {
        return fail(ApiError(503, "ServiceUnavailableError", "the server stopped before the answer ended"));
    } else {
        whole_->add(choice, event);
    }
    if (running_ > 0) return;
    ended_ = true;
    if (!to) return;
    if (!stream_) return reply(200, whole_->body());
    to->sendPart(stream_->end());
    to->endStream();
}

void Exchange::reply(int status, const Json& body) {
    const auto to = peer();
    if (!to) return;
    const std::string text = jsonText(body);
    record_.responseBytes = text.size();
    to->replyJson(status, text);
}

/// The first error ends the answer as a whole; requests that still run are stopped.
void Exchange::fail(const ApiError& error) {
    if (std::exchange(ended_, true)) return;
    const bool streaming = stream_ && record_.generation;
    if (!streaming) record_.status = error.status();
    record_.error = error.what();
    if (const auto to = peer(); to && streaming) {
        to->sendPart(stream_->fail(error));
        to->endStream();
    } else {
        reply(error.status(), error.json());
    }
    cancelRequests();
}

void Exchange::finish() {
    if (abandoned_) {
        if (!(stream_ && record_.generation)) record_.status = kClientClosedRequest;
        record_.error = "the client disconnected";
    }
    context_.answered(record_);
    context_.exchanges.erase(shared_from_this());
    work_.reset();
}

}  // namespace step3::serving::http
