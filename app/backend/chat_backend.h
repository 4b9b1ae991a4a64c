#pragma once

#include <QMetaType>
#include <QObject>
#include <QString>
#include <memory>
#include <vector>

#include "engine/engine.h"

/// What answers questions: the engine in this process now, a remote server by the same interface later. All calls
/// return at once; results arrive as signals with values on the thread the backend lives in (the UI thread).
namespace step3::backend {

using Picture = std::shared_ptr<const image::Image>;

/// One earlier or current turn of the conversation. Pictures come before the text, in their order.
struct ChatTurn {
    enum class Role { kUser, kAssistant } role = Role::kUser;
    QString text;
    std::vector<Picture> pictures;
};

struct ChatRequest {
    std::vector<ChatTurn> turns;
    quint64 variation = 0;  // 0: the answer as the model is meant to give it; n: the n-th other wording of it
    bool think = true;
};

/// `message` is one line that names what was wrong; the advice that goes with it is the view model's task.
struct BackendError {
    ErrorCode code = ErrorCode::kInternal;
    QString message;
};

struct ModelFacts {
    QString name;
    QString folder;
    QString architecture;
    bool vision = false;
    qint64 maxContext = 0;  // tokens
    quint64 parametersTotal = 0, parametersActive = 0;
    quint64 weightBytes = 0;
    quint64 kvBytesPerToken = 0;
};

/// What an answer brought since the last batch, merged: the view is updated once a batch, not once a token.
struct AnswerBatch {
    int prefillDone = 0, prefillTotal = 0;  // prompt tokens; total 0 if nothing new is known
    QString reasoning;
    QString text;
    int pieces = 0;  // tokens or parts of tokens that were merged
};

struct AnswerEnd {
    FinishReason reason = FinishReason::kStop;
    Usage usage;
};

struct KvUse {
    quint64 used = 0, capacity = 0;  // tokens
};

class ChatBackend : public QObject {
    Q_OBJECT

public:
    using QObject::QObject;

    /// Opens a model folder; a model that is open stays in use until the new one is ready. Ends in opened() or
    /// openFailed().
    virtual void open(const QString& folder) = 0;
    /// Stops an open() that is under way; it ends in openFailed() with kCancelled.
    virtual void cancelOpen() = 0;
    /// Asks. Ends in answerFinished() or answerFailed() with the returned id.
    virtual quint64 send(backend::ChatRequest request) = 0;
    /// Takes effect within one token; what was written so far stays valid. Unknown ids are ignored.
    virtual void cancel(quint64 id) = 0;

signals:
    void openProgress(double fraction);
    void opened(const step3::backend::ModelFacts& facts);
    void openFailed(const step3::backend::BackendError& error);
    void answerBatch(quint64 id, const step3::backend::AnswerBatch& batch);
    void answerFinished(quint64 id, const step3::backend::AnswerEnd& end);
    void answerFailed(quint64 id, const step3::backend::BackendError& error);
    void kvUseChanged(const step3::backend::KvUse& use);
};

}  // namespace step3::backend

Q_DECLARE_METATYPE(step3::backend::BackendError)
Q_DECLARE_METATYPE(step3::backend::ModelFacts)
Q_DECLARE_METATYPE(step3::backend::AnswerBatch)
Q_DECLARE_METATYPE(step3::backend::AnswerEnd)
Q_DECLARE_METATYPE(step3::backend::KvUse)
