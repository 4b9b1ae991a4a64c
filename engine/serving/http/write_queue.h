#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include "engine/serving/http/transport.h"

namespace step3::serving::http {

/// Bytes on their way to a client, in order. Bounded: a client that reads slower than the answer grows is cut off
/// instead of filling memory. Everything runs on the transport's executor.
class WriteQueue : public std::enable_shared_from_this<WriteQueue> {
public:
    struct Handlers {
        std::function<void()> drained;  // all is handed to the system
        std::function<void()> broken;   // the client is gone or too slow; nothing more will be written
    };

    /// `limit`: bytes that may wait behind those being written. `patience`: longest time without progress.
    WriteQueue(std::shared_ptr<Transport> transport, std::size_t limit, std::chrono::milliseconds patience);

    void setHandlers(Handlers handlers) { handlers_ = std::move(handlers); }
    void push(std::string_view bytes);
    [[nodiscard]] bool empty() const { return writing_.empty(); }
    /// No handler is called after this.
    void close();

private:
    void writeSome();
    void onWritten(boost::system::error_code error, std::size_t bytes);
    void armTimer();
    void awaitDeadline();
    void breakOff();

    std::shared_ptr<Transport> transport_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point deadline_;  // of the write under way
    bool armed_ = false;                              // the timer runs
    const std::size_t limit_;
    const std::chrono::milliseconds patience_;
    Handlers handlers_;
    std::string writing_;      // what a write is under way for
    std::size_t written_ = 0;  // bytes of it
    std::string waiting_;      // written next, in one piece
    bool closed_ = false;
};

}  // namespace step3::serving::http
