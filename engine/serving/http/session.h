#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "engine/serving/http/chat_exchange.h"
#include "engine/serving/http/routes.h"
#include "engine/serving/http/server_context.h"
#include "engine/serving/http/write_queue.h"

namespace step3::serving::http {

/// One connection: reads a request, answers it, reads the next. While an answer is being made it keeps reading, so that
/// a client that leaves is noticed at once. Runs on the server's thread.
class Session final : public ChatPeer, public std::enable_shared_from_this<Session> {
public:
    Session(ServerContext& context, boost::asio::ip::tcp::socket socket);
    ~Session() override;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    /// The server stops: an idle connection ends now, another after its answer; one that is still sending its request
    /// too if `evenReading`.
    void stop(bool evenReading);

    void replyJson(int status, const Json& body) override;
    void startStream() override;
    void sendPart(const std::string& part) override;
    void endStream() override;

private:
    enum class State { kIdle, kReading, kAnswering, kClosed };

    void awaitRequest();
    void watch();
    void readHeader();
    void onHeader(boost::system::error_code error);
    void readBody();
    void onBody();
    [[nodiscard]] bool refuseEarly();
    void reply(int status, const std::string& contentType, std::string body);
    void replyAndLog(int status, const std::string& contentType, std::string body);
    void refuse(const ApiError& error);
    void answered();
    void onDrained();
    void lingerClose();
    void discard();
    void close();
    void armTimer(std::chrono::milliseconds patience);

    ServerContext& context_;
    std::shared_ptr<boost::asio::ip::tcp::socket> socket_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<WriteQueue> writes_;
    boost::beast::flat_buffer buffer_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
    State state_ = State::kIdle;
    bool watching_ = false;      // a read is under way that fills buffer_
    bool keepAlive_ = true;      // after the present answer
    bool answerEnded_ = false;   // all of it is in the write queue
    bool chunked_ = false;       // the present stream
    bool headOnly_ = false;      // the present request is HEAD
    unsigned version_ = 11;      // HTTP version of the present request
    std::size_t discarded_ = 0;  // bytes read after a refusal
    RouteMatch route_;
    AccessRecord record_;
    std::shared_ptr<ChatExchange> exchange_;
};

}  // namespace step3::serving::http
