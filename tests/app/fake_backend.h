#pragma once

#include <QList>

#include "app/backend/chat_backend.h"

namespace step3::test {

/// A backend that does nothing by itself: the test says what happens and reads what was asked.
class FakeBackend : public backend::ChatBackend {
public:
    struct Sent {
        quint64 id;
        backend::ChatRequest request;
    };

    void open(const QString& folder) override { openedFolders.append(folder); }
    void cancelOpen() override { emit openFailed({ErrorCode::kCancelled, QStringLiteral("stopped")}); }
    quint64 send(backend::ChatRequest request) override {
        sent.append({++lastId, std::move(request)});
        return lastId;
    }
    void cancel(quint64 id) override { cancelled.append(id); }

    void finishOpening(bool vision = true) {
        backend::ModelFacts facts;
        facts.name = QStringLiteral("fake-model");
        facts.folder = openedFolders.isEmpty() ? QStringLiteral("/models/fake-model") : openedFolders.last();
        facts.vision = vision;
        facts.maxContext = 4096;
        facts.parametersTotal = 3'500'000;
        facts.parametersActive = 1'900'000;
        emit opened(facts);
    }
    void think(const QString& text) { emit answerBatch(lastId, {0, 0, text, {}, 1}); }
    void write(const QString& text) { emit answerBatch(lastId, {0, 0, {}, text, 1}); }
    void finish(FinishReason reason = FinishReason::kStop) {
        backend::AnswerEnd end;
        end.reason = reason;
        end.usage.promptTokens = 120;
        end.usage.completionTokens = 7;
        end.usage.ttftSeconds = 0.25;
        end.usage.tpotSeconds = 0.01;
        emit answerFinished(lastId, end);
    }
    void fail(ErrorCode code, const QString& message) { emit answerFailed(lastId, {code, message}); }

    QStringList openedFolders;
    QList<Sent> sent;
    QList<quint64> cancelled;
    quint64 lastId = 0;
};

}  // namespace step3::test
