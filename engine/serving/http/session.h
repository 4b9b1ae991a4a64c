#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "engine/serving/http/endpoints.h"
#include "engine/serving/http/exchange.h"
#include "engine/serving/http/response_head.h"
#include "engine/serving/http/routes.h"
#include "engine/serving/http/server_context.h"
#include "engine/serving/http/transport.h"
#include "engine/serving/http/write_queue.h"

namespace step3::serving::http {

/// One connection: reads a request, answers it, reads the next. It reads all the time, so that a client that leaves is
/// noticed at once, but takes only a little of the next request before the present one is answered. Runs on the
/// server's thread.
class Session final : public Peer, public std::enable_shared_from_this<Session> {
public:
    Session(ServerContext& context, std::shared_ptr<Transport> transport);
    ~Session() override;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    /// The server stops: an idle connection ends now, another after its answer; one that is still sending its request
    /// too if `evenReading`.
    void stop(bool evenReading);
    /// Ends the connection now, whatever it is doing.
    void close();

    void replyJson(int status, const std::string& body) override;
    void startStream() override;
    void sendPart(const std::string& part) override;
    void endStream() override;

private:
    enum class State { kHandshake, kIdle, kHeader, kBody, kAnswering, kLinger, kClosed };

    void awaitRequest();
    void read();
    void onBytes();
    void beginRequest();
    void parse();
    void onHeader();
    void onBadHeader(boost::system::error_code error);
    void onBody();
    [[nodiscard]] bool refuseEarly();
    [[nodiscard]] bool answerPreflight();
    [[nodiscard]] bool bodyTooLarge();
    [[nodiscard]] ResponseHead head(int status) const;
    void reply(int status, const std::string& contentType, const std::string& body);
    void replyAndLog(int status, const std::string& contentType, const std::string& body);
    void refuse(const ApiError& error);
    void answered();
    void onDrained();
    void linger();
    void armTimer(std::chrono::milliseconds patience);
    void onTimeout();

    using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

    ServerContext& context_;
    std::shared_ptr<Transport> transport_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<WriteQueue> writes_;
    std::vector<char> incoming_;        // what the present read fills
    boost::beast::flat_buffer buffer_;  // read, not yet used
    std::optional<Parser> parser_;
    State state_ = State::kHandshake;
    bool reading_ = false;      // a read is under way
    bool keepAlive_ = true;     // after the present answer
    bool answerEnded_ = false;  // all of it is in the write queue
    bool streaming_ = false;    // the present answer is a stream
    bool chunked_ = false;      // the present stream
    bool headOnly_ = false;     // the present request is HEAD
    unsigned version_ = 11;     // HTTP version of the present request
    std::size_t lingered_ = 0;  // bytes read after the last answer
    std::chrono::steady_clock::time_point bodyDeadline_;
    std::chrono::steady_clock::time_point lastPart_;  // of the present stream
    BodyLease lease_;
    std::string remote_;
    std::string allowOrigin_;  // of the present request
    RouteMatch route_;
    AccessRecord record_;
    std::shared_ptr<Exchange> exchange_;
};

}  // namespace step3::serving::http
