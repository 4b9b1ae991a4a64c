#pragma once

#include <QAbstractListModel>
#include <QElapsedTimer>
#include <QList>
#include <QTimer>
#include <vector>

#include <QtQml/qqmlregistration.h>

#include "app/backend/chat_backend.h"
#include "app/chat/advice.h"
#include "app/chat/attachment_model.h"
#include "app/chat/block_model.h"

namespace step3::chat {

class ImageStore;

/// The conversation: questions and answers in turn. The last answer grows while it is written; its blocks are rebuilt
/// at display rate, less often when they become expensive.
class MessageModel : public QAbstractListModel {
    Q_OBJECT
    QML_ELEMENT
    QML_UNCREATABLE("belongs to the chat")
    Q_PROPERTY(int count READ count NOTIFY countChanged)

public:
    enum class Phase {
        Question,  ///< not an answer
        Reading,   ///< the model reads the prompt
        Thinking,
        Writing,
        Done,
        Cut,      ///< the context or token limit ended it
        Stopped,  ///< by the user
        Failed,
    };
    Q_ENUM(Phase)

    enum Role {
        PhaseRole = Qt::UserRole + 1,  // Phase
        BlocksRole,                    // BlockModel*
        TextRole,                      // what was typed, or the answer's markdown
        IsLastRole,                    // nothing follows
        TtftRole,                      // ms to the first token, 0 if unknown
        TpotRole,                      // ms a token after the first
        TokensRole,                    // tokens of the answer
    };

    explicit MessageModel(ImageStore& store, QObject* parent = nullptr);
    ~MessageModel() override;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QHash<int, QByteArray> roleNames() const override;
    [[nodiscard]] int count() const { return int(messages_.size()); }

    void appendQuestion(const QString& text, const QList<AttachedPicture>& pictures);
    void appendAnswer();
    void grow(const backend::AnswerBatch& batch);
    void finish(const backend::AnswerEnd& end);
    void fail(const Advice& advice);
    /// Drops the last answer so that it can be asked again; false if there is none.
    bool dropLastAnswer();

    /// Empties the conversation but keeps it for unstash(). What was kept before is gone.
    void stash();
    /// Brings the kept conversation back; only while the model is empty.
    void unstash();
    void dropStash();
    [[nodiscard]] bool hasStash() const { return !stash_.isEmpty(); }

    /// The conversation as the model gets it: exchanges without an answer are left out, except the question asked now.
    [[nodiscard]] std::vector<backend::ChatTurn> turns() const;
    [[nodiscard]] QString lastAnswer() const;
    [[nodiscard]] Phase lastPhase() const;
    [[nodiscard]] bool lastIsAnswer() const;

signals:
    void countChanged();

private:
    struct Message {
        Phase phase = Phase::Question;
        QString text;
        QString thinking;
        qint64 thinkingMs = 0;
        QList<AttachedPicture> pictures;
        Advice error;
        Usage usage;
        int pieces = 0;
        BlockModel* blocks = nullptr;  // child of this model
    };

    void append(Message message);
    void render();
    void scheduleRender();
    void setPhase(Phase phase);
    void rowChanged(int row, const QList<int>& roles);
    void release(QList<Message>& messages);
    [[nodiscard]] QList<ContentBlock> blocksOf(const Message& message) const;

    ImageStore& store_;
    QList<Message> messages_;
    QList<Message> stash_;
    QTimer renderTimer_;
    QElapsedTimer sinceRender_;
    QElapsedTimer sinceThinking_;
    qint64 renderCostMs_ = 0;
};

}  // namespace step3::chat
