#include "engine/serving/http/session.h"

#include <sstream>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http.hpp>

#include "engine/serving/http/model_card.h"
#include "engine/serving/http/request_id.h"

namespace step3::serving::http {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

constexpr const char* kJsonType = "application/json";
constexpr std::size_t kReadBytes = 16U << 10;
constexpr std::size_t kReadAhead = 64U << 10;        // of a pipelining client while its first answer is made
constexpr std::size_t kDiscardBytes = 64U << 20;     // read after a refusal so that the client sees it
constexpr std::chrono::milliseconds kLinger{2'000};  // the same, in time

std::string_view view(beast::string_view text) {
    return {text.data(), text.size()};
}

bool isJsonType(std::string_view value) {
    std::string_view type = value.substr(0, value.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
    return beast::iequals(beast::string_view(type.data(), type.size()), kJsonType);
}

template <typename Message>
std::string serialized(const Message& message) {
    std::ostringstream out;
    out << message;
    return std::move(out).str();
}

}  // namespace

Session::Session(ServerContext& context, asio::ip::tcp::socket socket)
    : context_(context),
      socket_(std::make_shared<asio::ip::tcp::socket>(std::move(socket))),
      timer_(socket_->get_executor()),
      writes_(std::make_shared<WriteQueue>(socket_, context.limits.queuedWriteBytes, context.limits.write)) {
    context_.sessions.insert(this);
}

Session::~Session() {
    context_.sessions.erase(this);
}

void Session::start() {
    boost::system::error_code ignored;
    socket_->set_option(asio::ip::tcp::no_delay(true), ignored);
    const auto remote = socket_->remote_endpoint(ignored);
    record_.remote = remote.address().to_string();
    writes_->setHandlers({[weak = weak_from_this()] {
                              if (const auto self = weak.lock()) self->onDrained();
                          },
                          [weak = weak_from_this()] {
                              if (const auto self = weak.lock()) self->close();
                          }});
    awaitRequest();
}

void Session::stop(bool evenReading) {
    keepAlive_ = false;
    if (state_ == State::kIdle || (evenReading && state_ == State::kReading)) close();
}

void Session::awaitRequest() {
    state_ = State::kIdle;
    if (context_.stopping) return close();
    if (buffer_.size() > 0 && !watching_) return readHeader();
    armTimer(context_.limits.idle);
    watch();
}

void Session::watch() {
    if (watching_) return;
    watching_ = true;
    socket_->async_read_some(buffer_.prepare(kReadBytes),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                                 self->watching_ = false;
                                 if (self->state_ == State::kClosed) return;
                                 if (error) return self->close();
                                 self->buffer_.commit(bytes);
                                 if (self->state_ == State::kIdle) return self->readHeader();
                                 if (self->buffer_.size() < kReadAhead) self->watch();
                             });
}

void Session::readHeader() {
    state_ = State::kReading;
    keepAlive_ = true;
    answerEnded_ = false;
    headOnly_ = false;
    version_ = 11;
    record_.start = std::chrono::steady_clock::now();
    record_.id = requestId({});
    record_.method = "?";
    record_.route = "?";
    parser_.emplace();
    parser_->header_limit(context_.limits.headerBytes);
    parser_->body_limit(boost::none);  // checked by hand first: a refusal for another reason comes before it
    armTimer(context_.limits.header);
    bhttp::async_read_header(*socket_, buffer_, *parser_,
                             [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                                 if (self->state_ != State::kClosed) self->onHeader(error);
                             });
}

void Session::onHeader(boost::system::error_code error) {
    const auto& httpErrors = bhttp::make_error_code(bhttp::error::end_of_stream).category();
    if (error == bhttp::error::end_of_stream || (error && error.category() != httpErrors)) return close();
    if (error) {
        keepAlive_ = false;
        const bool large = error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow;
        return refuse(
            ApiError(large ? 431 : 400, "Bad Request",
                     large ? "the header is larger than " + std::to_string(context_.limits.headerBytes) + " bytes"
                           : "the request is not valid HTTP"));
    }
    const auto& request = parser_->get();
    version_ = request.version();
    keepAlive_ = request.keep_alive() && !context_.stopping;
    headOnly_ = request.method() == bhttp::verb::head;
    record_.id = requestId(view(request["X-Request-Id"]));
    route_ = matchRoute(view(request.method_string()), view(request.target()));
    record_.method = request.method() == bhttp::verb::unknown ? "?" : std::string(request.method_string());
    record_.route = route_.route == Route::kUnknown ? "unknown" : std::string(route_.name);
    if (refuseEarly()) return;
    parser_->body_limit(context_.limits.bodyBytes);
    if (version_ >= 11 && beast::iequals(request[bhttp::field::expect], "100-continue")) {
        writes_->push("HTTP/1.1 100 Continue\r\n\r\n");
    }
    readBody();
}

/// Refusals for which the body need not be read; true if one was sent.
bool Session::refuseEarly() {
    const auto& request = parser_->get();
    const bool hasBody = parser_->content_length().value_or(parser_->chunked() ? 1 : 0) > 0;
    const auto early = [&](int status, const std::string& body) {
        keepAlive_ = keepAlive_ && !hasBody;
        replyAndLog(status, kJsonType, body);
        return true;
    };
    if (route_.guarded && !context_.keys.admits(view(request[bhttp::field::authorization]))) {
        return early(401, R"({"error":"Unauthorized"})");
    }
    if (route_.route == Route::kUnknown) return early(404, R"({"detail":"Not Found"})");
    if (!route_.methodAllowed) return early(405, R"({"detail":"Method Not Allowed"})");
    if (parser_->content_length().value_or(0) > context_.limits.bodyBytes) {
        keepAlive_ = false;
        refuse(ApiError(413, "BadRequestError",
                        "the request body has " + std::to_string(*parser_->content_length()) +
                            " bytes, this server takes at most " + std::to_string(context_.limits.bodyBytes)));
        return true;
    }
    if (route_.route == Route::kChatCompletions && !isJsonType(view(request[bhttp::field::content_type]))) {
        keepAlive_ = keepAlive_ && !hasBody;
        refuse(schemaError("expected the Content-Type application/json, found another or none", ""));
        return true;
    }
    return false;
}

void Session::readBody() {
    if (parser_->is_done()) return onBody();
    armTimer(context_.limits.body);
    bhttp::async_read_some(*socket_, buffer_, *parser_,
                           [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                               if (self->state_ == State::kClosed) return;
                               if (error == bhttp::error::body_limit) {
                                   self->keepAlive_ = false;
                                   return self->refuse(ApiError(413, "BadRequestError",
                                                                "the request body has more than the " +
                                                                    std::to_string(self->context_.limits.bodyBytes) +
                                                                    " bytes this server takes"));
                               }
                               if (error && error != bhttp::error::need_more) return self->close();
                               self->readBody();
                           });
}

void Session::onBody() {
    timer_.cancel();
    state_ = State::kAnswering;
    switch (route_.route) {
        case Route::kHealth: return replyAndLog(context_.stopping ? 503 : 200, "", "");
        case Route::kModels: return replyAndLog(200, kJsonType, modelList(context_.model, context_.started).dump());
        case Route::kModel:
            if (route_.modelId == context_.model.name) {
                return replyAndLog(200, kJsonType, modelCard(context_.model, context_.started).dump());
            }
            return refuse(
                ApiError(404, "NotFoundError", "The model `" + route_.modelId + "` does not exist.", "model"));
        case Route::kChatCompletions:
            exchange_ = std::make_shared<ChatExchange>(context_, weak_from_this(), record_);
            exchange_->start(std::move(parser_->get().body()));
            return watch();
        case Route::kUnknown: break;
    }
    close();
}

void Session::reply(int status, const std::string& contentType, std::string body) {
    state_ = State::kAnswering;
    timer_.cancel();
    bhttp::response<bhttp::string_body> response(static_cast<bhttp::status>(status), version_);
    response.set(bhttp::field::server, "step3/" STEP3_VERSION);
    response.set("X-Request-Id", record_.id);
    if (!contentType.empty()) response.set(bhttp::field::content_type, contentType);
    if (status == 405)
        response.set(bhttp::field::allow, beast::string_view(route_.allowed.data(), route_.allowed.size()));
    if (status == 401) response.set(bhttp::field::www_authenticate, "Bearer");
    response.keep_alive(keepAlive_);
    response.body() = std::move(body);
    response.prepare_payload();
    if (headOnly_) response.body().clear();  // the length of what GET would have sent stays
    writes_->push(serialized(response));
    answered();
}

void Session::replyAndLog(int status, const std::string& contentType, std::string body) {
    record_.status = status;
    if (context_.log) context_.log(logLine(record_, std::chrono::steady_clock::now()));
    reply(status, contentType, std::move(body));
}

void Session::refuse(const ApiError& error) {
    replyAndLog(error.status(), kJsonType, error.json().dump(-1, ' ', false, Json::error_handler_t::replace));
}

void Session::replyJson(int status, const Json& body) {
    exchange_.reset();
    reply(status, kJsonType, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void Session::startStream() {
    if (state_ == State::kClosed) return;
    bhttp::response<bhttp::empty_body> response(bhttp::status::ok, version_);
    response.set(bhttp::field::server, "step3/" STEP3_VERSION);
    response.set("X-Request-Id", record_.id);
    response.set(bhttp::field::content_type, "text/event-stream; charset=utf-8");
    response.set(bhttp::field::cache_control, "no-cache");
    chunked_ = version_ >= 11;
    if (!chunked_) keepAlive_ = false;  // HTTP/1.0: the end of the connection is the end of the answer
    response.keep_alive(keepAlive_);
    response.chunked(chunked_);
    writes_->push(serialized(response.base()));  // the whole message would include the last chunk
}

void Session::sendPart(const std::string& part) {
    if (state_ == State::kClosed) return;
    writes_->push(chunked_ ? beast::buffers_to_string(bhttp::make_chunk(asio::buffer(part))) : part);
}

void Session::endStream() {
    exchange_.reset();
    if (state_ == State::kClosed) return;
    if (chunked_) writes_->push(beast::buffers_to_string(bhttp::make_chunk_last()));
    answered();
}

void Session::answered() {
    answerEnded_ = true;
    if (writes_->empty()) onDrained();
}

void Session::onDrained() {
    if (!answerEnded_ || state_ != State::kAnswering) return;
    answerEnded_ = false;
    if (keepAlive_ && !context_.stopping) return awaitRequest();
    lingerClose();
}

/// Closing while the client still sends would reset the connection, and the client might never read the answer.
void Session::lingerClose() {
    boost::system::error_code ignored;
    socket_->shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    armTimer(kLinger);
    if (!watching_) discard();
}

void Session::discard() {
    buffer_.clear();
    watching_ = true;
    socket_->async_read_some(buffer_.prepare(kReadBytes),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                                 self->watching_ = false;
                                 if (self->state_ == State::kClosed) return;
                                 self->discarded_ += bytes;
                                 if (error || self->discarded_ > kDiscardBytes) return self->close();
                                 self->discard();
                             });
}

void Session::close() {
    if (state_ == State::kClosed) return;
    state_ = State::kClosed;
    timer_.cancel();
    writes_->close();
    boost::system::error_code ignored;
    socket_->close(ignored);
    if (const auto exchange = std::exchange(exchange_, nullptr)) exchange->abandon();
}

void Session::armTimer(std::chrono::milliseconds patience) {
    timer_.expires_after(patience);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
        self->close();
    });
}

}  // namespace step3::serving::http
