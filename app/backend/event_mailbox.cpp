#include "app/backend/event_mailbox.h"

#include <QTimer>
#include <algorithm>
#include <utility>

namespace step3::backend {

namespace {

/// Bytes of one delta may end inside a UTF-8 sequence only if the engine splits tokens badly; the engine promises whole
/// text.
QString fromUtf8(const std::string& text) {
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

struct Collect {
    AnswerNews& news;

    void operator()(const PrefillProgress& progress) const {
        news.batch.prefillDone = progress.done;
        news.batch.prefillTotal = progress.total;
    }
    void operator()(const ReasoningDelta& delta) const {
        news.batch.reasoning += fromUtf8(delta.text);
        ++news.batch.pieces;
    }
    void operator()(const TextDelta& delta) const {
        news.batch.text += fromUtf8(delta.text);
        ++news.batch.pieces;
    }
    // The window offers no tools to the model, so a tool call is text to be read.
    void operator()(const ToolCallDelta& delta) const {
        news.batch.text += fromUtf8(delta.name) + fromUtf8(delta.arguments);
        ++news.batch.pieces;
    }
    void operator()(const Finished& finished) const { news.end = AnswerEnd{finished.reason, finished.usage}; }
    void operator()(const Failed& failed) const { news.error = BackendError{failed.code, fromUtf8(failed.message)}; }
};

}  // namespace

struct EventMailbox::Box {
    std::mutex mutex;
    std::vector<AnswerNews> news;      // one entry an answer, in the order of their first event
    EventMailbox* receiver = nullptr;  // null once the mailbox is gone
    bool woken = false;                // a wake() is queued or the timer runs

    void put(quint64 id, const Event& event) {
        const std::lock_guard lock(mutex);
        if (receiver == nullptr) return;
        auto entry = std::find_if(news.begin(), news.end(), [id](const AnswerNews& one) { return one.id == id; });
        if (entry == news.end()) entry = news.insert(news.end(), AnswerNews{id, {}, {}, {}});
        std::visit(Collect{*entry}, event);
        if (woken) return;
        woken = true;
        // Posting under the lock keeps the receiver alive for the duration of the call.
        QMetaObject::invokeMethod(receiver, &EventMailbox::wake, Qt::QueuedConnection);
    }
};

EventMailbox::EventMailbox(int intervalMs, QObject* parent)
    : QObject(parent), box_(std::make_shared<Box>()), timer_(new QTimer(this)) {
    box_->receiver = this;
    timer_->setSingleShot(true);
    timer_->setTimerType(Qt::PreciseTimer);
    timer_->setInterval(intervalMs);
    connect(timer_, &QTimer::timeout, this, &EventMailbox::deliver);
}

EventMailbox::~EventMailbox() {
    const std::lock_guard lock(box_->mutex);
    box_->receiver = nullptr;
}

EventSink EventMailbox::sinkFor(quint64 id) {
    return [box = box_, id](const Event& event) { box->put(id, event); };
}

void EventMailbox::fail(quint64 id, BackendError error) {
    box_->put(id, Failed{error.code, error.message.toStdString()});
}

void EventMailbox::wake() {
    timer_->start();
}

void EventMailbox::deliver() {
    std::vector<AnswerNews> news;
    {
        const std::lock_guard lock(box_->mutex);
        news.swap(box_->news);
        box_->woken = false;
    }
    if (!news.empty()) emit delivered(news);
}

}  // namespace step3::backend
