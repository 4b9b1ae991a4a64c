#include "engine/serving/http/write_queue.h"

#include <boost/asio/buffer.hpp>

namespace step3::serving::http {

WriteQueue::WriteQueue(std::shared_ptr<Socket> socket, std::size_t limit, std::chrono::milliseconds patience)
    : socket_(std::move(socket)), timer_(socket_->get_executor()), limit_(limit), patience_(patience) {}

void WriteQueue::push(std::string bytes) {
    if (closed_ || bytes.empty()) return;
    if (!pieces_.empty()) {
        if (queued_ + bytes.size() > limit_) return breakOff();
        queued_ += bytes.size();
    }
    pieces_.push_back(std::move(bytes));
    if (pieces_.size() == 1) writeSome();
}

void WriteQueue::close() {
    closed_ = true;
    handlers_ = {};
    timer_.cancel();
}

void WriteQueue::writeSome() {
    armTimer();
    const std::string& piece = pieces_.front();
    socket_->async_write_some(boost::asio::buffer(piece.data() + offset_, piece.size() - offset_),
                              [self = shared_from_this()](boost::system::error_code error, std::size_t written) {
                                  if (self->closed_) return;
                                  if (error) return self->breakOff();
                                  self->offset_ += written;
                                  if (self->offset_ == self->pieces_.front().size()) {
                                      self->pieces_.pop_front();
                                      self->offset_ = 0;
                                      if (!self->pieces_.empty()) self->queued_ -= self->pieces_.front().size();
                                  }
                                  if (!self->pieces_.empty()) return self->writeSome();
                                  self->timer_.cancel();
                                  if (self->handlers_.drained) {
                                      const auto drained = self->handlers_.drained;  // may close this queue
                                      drained();
                                  }
                              });
}

void WriteQueue::armTimer() {
    timer_.expires_after(patience_);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        // A wait that was already due when the timer was set anew arrives without an error.
        if (error || !self || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
        self->breakOff();
    });
}

void WriteQueue::breakOff() {
    if (closed_) return;
    const auto broken = handlers_.broken;
    close();
    if (broken) broken();
}

}  // namespace step3::serving::http
