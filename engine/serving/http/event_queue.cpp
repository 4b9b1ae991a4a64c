#include "engine/serving/http/event_queue.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "engine/serving/http/exchange.h"

namespace step3::serving::http {

void EventQueue::push(const std::shared_ptr<Exchange>& to, std::size_t choice, const Event& event) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = waiting_.empty();
        waiting_.push_back({to, choice, event});
    }
    if (first) boost::asio::post(network_, [this] { deliver(); });
}

void EventQueue::deliver() {
    std::vector<Entry> entries;
    {
        const std::lock_guard lock(mutex_);
        entries.swap(waiting_);
    }
    for (const Entry& entry : entries) entry.to->onEvent(entry.choice, entry.event);
}

}  // namespace step3::serving::http
