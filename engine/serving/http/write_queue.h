#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace step3::serving::http {

/// Bytes on their way to a client, in order. Bounded: a client that reads slower than the answer grows is cut off
/// instead of filling memory. Everything runs on the socket's executor.
class WriteQueue : public std::enable_shared_from_this<WriteQueue> {
public:
    using Socket = boost::asio::ip::tcp::socket;
    struct Handlers {
        std::function<void()> drained;  // all is handed to the system
        std::function<void()> broken;   // the client is gone or too slow; nothing more will be written
    };

    /// `limit`: bytes that may wait behind the piece being written. `patience`: longest time without progress.
    WriteQueue(std::shared_ptr<Socket> socket, std::size_t limit, std::chrono::milliseconds patience);

    void setHandlers(Handlers handlers) { handlers_ = std::move(handlers); }
    void push(std::string bytes);
    [[nodiscard]] bool empty() const { return pieces_.empty(); }
    /// No handler is called after this.
    void close();

private:
    void writeSome();
    void armTimer();
    void breakOff();

    std::shared_ptr<Socket> socket_;
    boost::asio::steady_timer timer_;
    const std::size_t limit_;
    const std::chrono::milliseconds patience_;
    Handlers handlers_;
    std::deque<std::string> pieces_;
    std::size_t offset_ = 0;  // bytes of the first piece already written
    std::size_t queued_ = 0;  // bytes of all pieces but the first
    bool closed_ = false;
};

}  // namespace step3::serving::http
