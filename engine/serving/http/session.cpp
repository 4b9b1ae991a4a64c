#include "engine/serving/http/session.h"

#include <charconv>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>

#include "engine/serving/http/answer_parts.h"
#include "engine/serving/http/request_id.h"

namespace step3::serving::http {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

constexpr const char* kJsonType = "application/json";
constexpr std::size_t kSmallRead = 2U << 10;  // what a connection takes that has nothing to say
constexpr std::size_t kBodyRead = 64U << 10;
constexpr std::size_t kReadAhead = 64U << 10;        // of a pipelining client while its first answer is made
constexpr std::size_t kLingerBytes = 64U << 20;      // read after the last answer so that the client sees it
constexpr std::chrono::milliseconds kLinger{2'000};  // the same, in time

std::string_view view(beast::string_view text) {
    return {text.data(), text.size()};
}

bool isJsonType(std::string_view value) {
    std::string_view type = value.substr(0, value.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
    return beast::iequals(beast::string_view(type.data(), type.size()), kJsonType);
}

/// `bytes` as one chunk of a chunked body.
std::string chunk(std::string_view bytes) {
    char size[16];
    const auto [end, error] = std::to_chars(size, size + sizeof size, bytes.size(), 16);
    static_cast<void>(error);  // 16 digits hold any size
    std::string text(size, end);
    text.append("\r\n").append(bytes).append("\r\n");
    return text;
}

}  // namespace

Session::Session(ServerContext& context, std::shared_ptr<Transport> transport)
    : context_(context),
      transport_(std::move(transport)),
      timer_(transport_->socket().get_executor()),
      writes_(std::make_shared<WriteQueue>(transport_, context.limits.queuedWriteBytes, context.limits.write)) {
    context_.sessions.insert(this);
}

Session::~Session() {
    context_.sessions.erase(this);
}

void Session::start() {
    boost::system::error_code ignored;
    transport_->socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    remote_ = transport_->socket().remote_endpoint(ignored).address().to_string();
    writes_->setHandlers({[weak = weak_from_this()] {
                              if (const auto self = weak.lock()) self->onDrained();
                          },
                          [weak = weak_from_this()] {
                              if (const auto self = weak.lock()) self->close();
                          }});
    armTimer(context_.limits.header);
    transport_->handshake([self = shared_from_this()](boost::system::error_code error) {
        if (self->state_ == State::kClosed) return;
        if (error) return self->close();
        self->awaitRequest();
    });
}

void Session::stop(bool evenReading) {
    keepAlive_ = false;
    const bool reading = state_ == State::kHandshake || state_ == State::kHeader || state_ == State::kBody;
    if (state_ == State::kIdle || (evenReading && reading)) close();
}

void Session::awaitRequest() {
    state_ = State::kIdle;
    if (buffer_.size() > 0) return beginRequest();
    armTimer(context_.limits.idle);
    read();
}

void Session::read() {
    if (reading_) return;
    reading_ = true;
    const std::size_t wanted = state_ == State::kBody ? kBodyRead : kSmallRead;
    if (incoming_.size() != wanted) incoming_ = std::vector<char>(wanted);
    transport_->readSome(asio::buffer(incoming_),
                         [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                             self->reading_ = false;
                             if (self->state_ == State::kClosed) return;
                             if (error) return self->close();
                             asio::buffer_copy(self->buffer_.prepare(bytes), asio::buffer(self->incoming_, bytes));
                             self->buffer_.commit(bytes);
                             self->onBytes();
                         });
}

void Session::onBytes() {
    switch (state_) {
        case State::kIdle: return beginRequest();
        case State::kBody: armTimer(context_.limits.body); return parse();
        case State::kHeader: return parse();
        case State::kAnswering:
            if (buffer_.size() < kReadAhead) read();
            return;
        case State::kLinger:
            lingered_ += buffer_.size();
            buffer_.clear();
            return lingered_ > kLingerBytes ? close() : read();
        case State::kHandshake:
        case State::kClosed: return;
    }
}

void Session::beginRequest() {
    state_ = State::kHeader;
    keepAlive_ = !context_.stopping;
    answerEnded_ = false;
    headOnly_ = false;
    version_ = 11;
    allowOrigin_.clear();
    record_ = {};
    record_.start = std::chrono::steady_clock::now();
    record_.id = requestId({});
    record_.remote = remote_;
    record_.method = "?";
    record_.route = "?";
    parser_.emplace();
    parser_->header_limit(context_.limits.headerBytes);
    parser_->body_limit(boost::none);  // checked by hand first: a refusal for another reason comes before it
    armTimer(context_.limits.header);
    parse();
}

void Session::parse() {
    while (state_ == State::kHeader || state_ == State::kBody) {
        if (state_ == State::kBody && parser_->is_done()) return onBody();
        if (buffer_.size() == 0) return read();
        boost::system::error_code error;
        buffer_.consume(parser_->put(buffer_.data(), error));
        if (error == bhttp::error::need_more) return read();
        if (state_ == State::kHeader) {
            if (error) return onBadHeader(error);
            if (parser_->is_header_done()) onHeader();
        } else if (error == bhttp::error::body_limit) {
            keepAlive_ = false;
            return refuse(ApiError(413, "BadRequestError",
                                   "the request body has more than the " + std::to_string(context_.limits.bodyBytes) +
                                       " bytes this server takes"));
        } else if (error) {
            return onBadHeader(error);
        }
    }
}

void Session::onBadHeader(boost::system::error_code error) {
    keepAlive_ = false;
    const bool large = error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow;
    refuse(ApiError(large ? 431 : 400, "Bad Request",
                    large ? "the header is larger than " + std::to_string(context_.limits.headerBytes) + " bytes"
                          : "the request is not valid HTTP"));
}

void Session::onHeader() {
    const auto& request = parser_->get();
    version_ = request.version();
    keepAlive_ = request.keep_alive() && !context_.stopping;
    headOnly_ = request.method() == bhttp::verb::head;
    allowOrigin_ = context_.cors.allowed(view(request[bhttp::field::origin]));
    const std::string_view givenId = view(request["X-Request-Id"]);
    record_.id = requestId(givenId);
    record_.idFromClient = record_.id == givenId;
    record_.requestBytes = parser_->content_length().value_or(0);
    route_ = matchRoute(view(request.method_string()), view(request.target()));
    record_.method = request.method() == bhttp::verb::unknown ? "?" : std::string(request.method_string());
    record_.route = route_.route == Route::kUnknown ? "unknown" : std::string(route_.name);
    if (answerPreflight() || refuseEarly()) return;
    parser_->body_limit(context_.limits.bodyBytes);
    state_ = State::kBody;
    bodyDeadline_ = std::chrono::steady_clock::now() + context_.limits.wholeBody;
    if (version_ >= 11 && beast::iequals(request[bhttp::field::expect], "100-continue")) {
        writes_->push("HTTP/1.1 100 Continue\r\n\r\n");
    }
    armTimer(context_.limits.body);
}

/// What a browser asks before it sends a page's request to another origin; true if that was it.
bool Session::answerPreflight() {
    const auto& request = parser_->get();
    if (request.method() != bhttp::verb::options || request[bhttp::field::origin].empty() ||
        request[bhttp::field::access_control_request_method].empty()) {
        return false;
    }
    keepAlive_ = keepAlive_ && parser_->content_length().value_or(parser_->chunked() ? 1 : 0) == 0;
    if (allowOrigin_.empty()) {
        replyAndLog(400, "text/plain; charset=utf-8", "Disallowed CORS origin");
    } else {
        replyAndLog(200, "text/plain; charset=utf-8", "OK");
    }
    return true;
}

/// Refusals for which the body need not be read; true if one was sent.
bool Session::refuseEarly() {
    const auto& request = parser_->get();
    const bool hasBody = parser_->content_length().value_or(parser_->chunked() ? 1 : 0) > 0;
    const bool keepAlive = keepAlive_;
    keepAlive_ = keepAlive && !hasBody;
    const bool asksForMethods = request.method() == bhttp::verb::options;  // never needs a key
    if (route_.guarded && !asksForMethods && !context_.keys.admits(view(request[bhttp::field::authorization]))) {
        replyAndLog(401, kJsonType, R"({"error":"Unauthorized"})");
        return true;
    }
    if (route_.route == Route::kUnknown) {
        replyAndLog(404, kJsonType, R"({"detail":"Not Found"})");
        return true;
    }
    if (!route_.methodAllowed) {
        replyAndLog(405, kJsonType, R"({"detail":"Method Not Allowed"})");
        return true;
    }
    if (bodyTooLarge()) return true;
    try {
        if (route_.takesJson) {
            if (!isJsonType(view(request[bhttp::field::content_type]))) {
                throw schemaError("expected the Content-Type application/json, found another or none", "");
            }
            requireReady(context_);
        }
    } catch (const ApiError& error) {
        refuse(error);
        return true;
    }
    keepAlive_ = keepAlive;
    return false;
}

/// Takes the share of memory for the body, too.
bool Session::bodyTooLarge() {
    const auto length = parser_->content_length();
    if (length.value_or(0) > context_.limits.bodyBytes) {
        refuse(ApiError(413, "BadRequestError",
                        "the request body has " + std::to_string(*length) + " bytes, this server takes at most " +
                            std::to_string(context_.limits.bodyBytes)));
        return true;
    }
    const std::uint64_t bytes = parser_->chunked() ? context_.limits.bodyBytes : length.value_or(0);
    if (context_.bodyBytes + bytes > context_.limits.allBodiesBytes) {
        refuse(ApiError(503, "ServiceUnavailableError", "the server is reading as much as it can hold; try again"));
        return true;
    }
    lease_ = BodyLease(context_.bodyBytes, bytes);
    return false;
}

void Session::onBody() {
    timer_.cancel();
    state_ = State::kAnswering;
    if (buffer_.size() == 0) buffer_ = {};  // a large body leaves a large buffer
    std::string body = std::move(parser_->get().body());
    parser_.reset();
    BodyLease lease = std::move(lease_);
    if (route_.takesJson) {
        exchange_ = std::make_shared<Exchange>(context_, route_.route, weak_from_this(), record_);
        exchange_->start(std::move(body), std::move(lease));
        return read();
    }
    try {
        const PlainAnswer answer = plainAnswer(route_, context_);
        replyAndLog(answer.status, answer.contentType, answer.body);
    } catch (const ApiError& error) {
        refuse(error);
    }
}

ResponseHead Session::head(int status) const {
    ResponseHead head(version_, status);
    head.set("X-Request-Id", record_.id);
    if (context_.cors.enabled()) head.set("Vary", "Origin");
    if (!allowOrigin_.empty()) {
        head.set("Access-Control-Allow-Origin", allowOrigin_);
        head.set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
        if (record_.method == "OPTIONS") {
            head.set("Access-Control-Allow-Methods", "GET, POST");
            head.set("Access-Control-Allow-Headers", "*, Authorization");
            head.set("Access-Control-Max-Age", "600");
        }
    }
    head.setKeepAlive(keepAlive_);
    return head;
}

void Session::reply(int status, const std::string& contentType, const std::string& body) {
    state_ = State::kAnswering;
    timer_.cancel();
    lease_ = BodyLease();
    ResponseHead header = head(status);
    if (!contentType.empty()) header.set("Content-Type", contentType);
    header.set("Content-Length", std::to_string(body.size()));
    if (status == 405) header.set("Allow", route_.allowed);
    if (status == 401) header.set("WWW-Authenticate", "Bearer");
    if (status == 503) header.set("Retry-After", "1");
    writes_->push(headOnly_ ? header.text() : header.text() + body);
    answered();
    if (state_ == State::kAnswering) read();
}

void Session::replyAndLog(int status, const std::string& contentType, const std::string& body) {
    record_.status = status;
    record_.responseBytes = body.size();
    context_.answered(record_);
    reply(status, contentType, body);
}

void Session::refuse(const ApiError& error) {
    record_.error = error.what();
    replyAndLog(error.status(), kJsonType, jsonText(error.json()));
}

void Session::replyJson(int status, const std::string& body) {
    exchange_.reset();
    if (state_ == State::kClosed) return;
    reply(status, kJsonType, body);
}

void Session::startStream() {
    if (state_ == State::kClosed) return;
    chunked_ = version_ >= 11;
    if (!chunked_) keepAlive_ = false;  // HTTP/1.0: the end of the connection is the end of the answer
    ResponseHead header = head(200);
    header.set("Content-Type", "text/event-stream; charset=utf-8");
    header.set("Cache-Control", "no-cache");
    if (chunked_) header.set("Transfer-Encoding", "chunked");
    writes_->push(header.text());
    streaming_ = true;
    lastPart_ = std::chrono::steady_clock::now();
    armTimer(context_.limits.ping);
}

void Session::sendPart(const std::string& part) {
    if (state_ == State::kClosed || part.empty()) return;
    writes_->push(chunked_ ? chunk(part) : part);
    lastPart_ = std::chrono::steady_clock::now();
}

void Session::endStream() {
    exchange_.reset();
    streaming_ = false;
    if (state_ == State::kClosed) return;
    timer_.cancel();
    if (chunked_) writes_->push("0\r\n\r\n");
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
    linger();
}

/// Closing while the client still sends would reset the connection, and the client might never read the answer.
void Session::linger() {
    state_ = State::kLinger;
    armTimer(kLinger);
    buffer_.consume(buffer_.size());
    transport_->endWriting([self = shared_from_this()](boost::system::error_code) {});
    read();
}

void Session::close() {
    if (state_ == State::kClosed) return;
    state_ = State::kClosed;
    timer_.cancel();
    writes_->close();
    boost::system::error_code ignored;
    transport_->socket().close(ignored);
    lease_ = BodyLease();
    if (const auto exchange = std::exchange(exchange_, nullptr)) exchange->abandon();
}

void Session::armTimer(std::chrono::milliseconds patience) {
    auto deadline = std::chrono::steady_clock::now() + patience;
    if (state_ == State::kBody) deadline = std::min(deadline, bodyDeadline_);
    timer_.expires_at(deadline);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
        self->onTimeout();
    });
}

/// A stream that waits for its turn shows that it lives; everything else took too long.
void Session::onTimeout() {
    if (state_ != State::kAnswering || !streaming_) return close();
    const auto quiet = std::chrono::steady_clock::now() - lastPart_;
    if (quiet >= context_.limits.ping) {
        sendPart(": keep-alive\n\n");
        return armTimer(context_.limits.ping);
    }
    armTimer(context_.limits.ping - std::chrono::duration_cast<std::chrono::milliseconds>(quiet));
}

}  // namespace step3::serving::http
