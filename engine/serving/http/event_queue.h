#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "engine/engine.h"

namespace step3::serving::http {

class Exchange;

/// Events on their way from the engine's thread to the server's. What the engine reports until the server comes to it
/// is handed over in one piece: with many streams a step costs a wake-up or two, not one a token.
class EventQueue {
public:
    /// Before the first push; deliveries run on `network`.
    void start(boost::asio::any_io_executor network) { network_ = std::move(network); }
    /// From any thread.
    void push(const std::shared_ptr<Exchange>& to, std::size_t choice, const Event& event);

private:
    struct Entry {
        std::shared_ptr<Exchange> to;
        std::size_t choice;
        Event event;
    };
    void deliver();

    boost::asio::any_io_executor network_;
    std::mutex mutex_;
    std::vector<Entry> waiting_;  // not empty: a delivery is under way
};

}  // namespace step3::serving::http
