#include "engine/serving/http/write_queue.h"

#include <utility>

#include <boost/asio/buffer.hpp>

namespace step3::serving::http {

WriteQueue::WriteQueue(std::shared_ptr<Transport> transport, std::size_t limit, std::chrono::milliseconds patience)
    : transport_(std::move(transport)),
      timer_(transport_->socket().get_executor()),
      limit_(limit),
      patience_(patience) {}

void WriteQueue::push(std::string_view bytes) {
    if (closed_ || bytes.empty()) return;
    if (writing_.empty()) {
        writing_ = bytes;
        return writeSome();
    }
    if (waiting_.size() + bytes.size() > limit_) return breakOff();
    waiting_ += bytes;
}

void WriteQueue::close() {
    closed_ = true;
    handlers_ = {};
    timer_.cancel();
}

void WriteQueue::writeSome() {
    armTimer();
    transport_->writeSome(boost::asio::buffer(writing_.data() + written_, writing_.size() - written_),
                          [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                              self->onWritten(error, bytes);
                          });
}

void WriteQueue::onWritten(boost::system::error_code error, std::size_t bytes) {
    if (closed_) return;
    if (error) return breakOff();
    written_ += bytes;
    if (written_ < writing_.size()) return writeSome();
    written_ = 0;
    writing_ = std::exchange(waiting_, {});
    if (!writing_.empty()) return writeSome();
    if (handlers_.drained) {
        const auto drained = handlers_.drained;  // may close this queue
        drained();
    }
}

/// Every token is written: the timer is not set anew each time, it looks at the deadline when it runs out.
void WriteQueue::armTimer() {
    deadline_ = std::chrono::steady_clock::now() + patience_;
    if (!std::exchange(armed_, true)) awaitDeadline();
}

void WriteQueue::awaitDeadline() {
    timer_.expires_at(deadline_);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self) return;
        self->armed_ = false;
        if (self->writing_.empty()) return;
        if (self->deadline_ <= std::chrono::steady_clock::now()) return self->breakOff();
        self->armed_ = true;
        self->awaitDeadline();
    });
}

void WriteQueue::breakOff() {
    if (closed_) return;
    const auto broken = handlers_.broken;
    close();
    if (broken) broken();
}

}  // namespace step3::serving::http
