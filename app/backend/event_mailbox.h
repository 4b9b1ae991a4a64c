#pragma once

#include <QObject>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "app/backend/chat_backend.h"

class QTimer;

namespace step3::backend {

/// What the engine reported for one answer since the last delivery.
struct AnswerNews {
    quint64 id = 0;
    AnswerBatch batch;
    std::optional<AnswerEnd> end;
    std::optional<BackendError> error;
};

/// Carries engine events from the scheduler thread to the thread this object lives in, at display rate: many tokens
/// become one AnswerNews. Text reaches the receiver at most once every `intervalMs`, its end with the last text.
class EventMailbox : public QObject {
    Q_OBJECT

public:
    static constexpr int kDisplayIntervalMs = 16;

    explicit EventMailbox(int intervalMs = kDisplayIntervalMs, QObject* parent = nullptr);
    ~EventMailbox() override;

    /// A sink for one request: may be called on any thread and may outlive the mailbox, after which it does nothing.
    [[nodiscard]] EventSink sinkFor(quint64 id);
    /// Reports a failure that happened before the engine took the request.
    void fail(quint64 id, BackendError error);

signals:
    void delivered(const std::vector<step3::backend::AnswerNews>& news);

private:
    struct Box;
    void wake();
    void deliver();

    std::shared_ptr<Box> box_;
    QTimer* timer_ = nullptr;
};

}  // namespace step3::backend

Q_DECLARE_METATYPE(step3::backend::AnswerNews)
