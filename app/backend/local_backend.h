#pragma once

#include <QSet>
#include <QThread>
#include <functional>
#include <memory>
#include <stop_token>

#include "app/backend/chat_backend.h"
#include "app/backend/event_mailbox.h"

namespace step3::backend {

/// Answers with the engine in this process. Opening and submitting happen on one worker thread, so that neither a slow
/// disk nor a large picture holds up the window; tokens come back through an EventMailbox.
class LocalBackend : public ChatBackend {
    Q_OBJECT

public:
    using EngineOpener =
        std::function<std::unique_ptr<Engine>(const OpenOptions&, const EngineProgress&, std::stop_token)>;

    /// `options` apply to every model (its `model` is ignored); `opener` is Engine::open except in tests.
    explicit LocalBackend(OpenOptions options = {}, EngineOpener opener = {}, QObject* parent = nullptr);
    ~LocalBackend() override;

    void open(const QString& folder) override;
    void cancelOpen() override;
    quint64 send(ChatRequest request) override;
    void cancel(quint64 id) override;

private:
    class Worker;
    void receive(const std::vector<AnswerNews>& news);

    EventMailbox mailbox_;
    QThread thread_;
    Worker* worker_ = nullptr;  // lives in thread_
    std::stop_source openStop_;
    QSet<quint64> running_;
    quint64 lastId_ = 0;
};

}  // namespace step3::backend
