#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QUrl>

#include <QtQml/qqmlregistration.h>

#include "app/backend/chat_backend.h"
#include "app/chat/advice.h"
#include "app/chat/attachment_model.h"
#include "app/chat/block_model.h"
#include "app/chat/image_store.h"
#include "app/chat/message_model.h"

namespace step3::chat {

/// The one conversation of the window: what is typed and attached, what is asked and answered, which model answers. The
/// view binds to it and forwards intent; it holds every rule.
class ChatController : public QObject {
    Q_OBJECT
    QML_ELEMENT
    QML_UNCREATABLE("made by the program")
    Q_PROPERTY(step3::chat::MessageModel* messages READ messages CONSTANT)
    Q_PROPERTY(step3::chat::AttachmentModel* attachments READ attachments CONSTANT)
    Q_PROPERTY(QStringList pictureTypes READ pictureTypes CONSTANT)
    Q_PROPERTY(State state READ state NOTIFY stateChanged)
    Q_PROPERTY(bool answering READ answering NOTIFY stateChanged)
    Q_PROPERTY(QString draft READ draft WRITE setDraft NOTIFY draftChanged)
    Q_PROPERTY(bool canSend READ canSend NOTIFY canSendChanged)
    Q_PROPERTY(QString sendObstacle READ sendObstacle NOTIFY canSendChanged)
    Q_PROPERTY(bool canRegenerate READ canRegenerate NOTIFY actionsChanged)
    Q_PROPERTY(bool canCopy READ canCopy NOTIFY actionsChanged)
    Q_PROPERTY(bool canClear READ canClear NOTIFY actionsChanged)
    Q_PROPERTY(bool canUndoClear READ canUndoClear NOTIFY actionsChanged)
    Q_PROPERTY(bool hasModel READ hasModel NOTIFY modelChanged)
    Q_PROPERTY(bool shippedModel READ shippedModel NOTIFY modelChanged)
    Q_PROPERTY(bool modelReadsPictures READ modelReadsPictures NOTIFY modelChanged)
    Q_PROPERTY(QString modelName READ modelName NOTIFY modelChanged)
    Q_PROPERTY(QString modelFolder READ modelFolder NOTIFY modelChanged)
    Q_PROPERTY(QString modelSummary READ modelSummary NOTIFY modelChanged)
    Q_PROPERTY(step3::chat::BlockModel* modelCard READ modelCard CONSTANT)
    Q_PROPERTY(bool hasModelCard READ hasModelCard NOTIFY modelChanged)
    Q_PROPERTY(QString openingName READ openingName NOTIFY stateChanged)
    Q_PROPERTY(double openProgress READ openProgress NOTIFY openProgressChanged)
    Q_PROPERTY(QString problemTitle READ problemTitle NOTIFY problemChanged)
    Q_PROPERTY(QString problemReason READ problemReason NOTIFY problemChanged)
    Q_PROPERTY(QString problemHint READ problemHint NOTIFY problemChanged)
    Q_PROPERTY(int prefillDone READ prefillDone NOTIFY figuresChanged)
    Q_PROPERTY(int prefillTotal READ prefillTotal NOTIFY figuresChanged)
    Q_PROPERTY(double ttftMs READ ttftMs NOTIFY figuresChanged)
    Q_PROPERTY(double tpotMs READ tpotMs NOTIFY figuresChanged)
    Q_PROPERTY(int promptTokens READ promptTokens NOTIFY figuresChanged)
    Q_PROPERTY(int imageTokens READ imageTokens NOTIFY figuresChanged)
    Q_PROPERTY(int answerTokens READ answerTokens NOTIFY figuresChanged)
    Q_PROPERTY(double kvUsed READ kvUsed NOTIFY figuresChanged)
    Q_PROPERTY(double kvCapacity READ kvCapacity NOTIFY figuresChanged)

public:
    enum class State { NoModel, Opening, Ready, Reading, Thinking, Writing, Stopping };
    Q_ENUM(State)

    /// `backend` outlives the controller. `shippedModel` is the folder of the model that comes with the program, or
    /// empty.
    explicit ChatController(backend::ChatBackend& backend, const QString& shippedModel = {}, QObject* parent = nullptr);
    ~ChatController() override;

    [[nodiscard]] MessageModel* messages() { return &messages_; }
    [[nodiscard]] AttachmentModel* attachments() { return &attachments_; }
    [[nodiscard]] const ImageStore& images() const { return store_; }

    /// MIME types of the encoded pictures that are dropped and pasted, the best one first.
    [[nodiscard]] static QStringList pictureTypes();

    [[nodiscard]] State state() const;
    [[nodiscard]] bool answering() const { return answerId_ != 0; }
    [[nodiscard]] QString draft() const { return draft_; }
    void setDraft(const QString& draft);
    [[nodiscard]] bool canSend() const;
    /// Why the question cannot be sent now, in words; empty if it can.
    [[nodiscard]] QString sendObstacle() const;
    [[nodiscard]] bool canRegenerate() const;
    [[nodiscard]] bool canCopy() const;
    [[nodiscard]] bool canClear() const;
    [[nodiscard]] bool canUndoClear() const;

    [[nodiscard]] bool hasModel() const { return hasModel_; }
    [[nodiscard]] bool shippedModel() const;
    [[nodiscard]] bool modelReadsPictures() const { return facts_.vision; }
    [[nodiscard]] QString modelName() const { return facts_.name; }
    [[nodiscard]] QString modelFolder() const { return facts_.folder; }
    [[nodiscard]] QString modelSummary() const;
    /// The README.md of the model's folder, empty without one.
    [[nodiscard]] BlockModel* modelCard() { return &modelCard_; }
    [[nodiscard]] bool hasModelCard() const { return modelCard_.rowCount() > 0; }
    [[nodiscard]] QString openingName() const;
    [[nodiscard]] double openProgress() const { return openProgress_; }
    [[nodiscard]] QString problemTitle() const { return problem_.title; }
    [[nodiscard]] QString problemReason() const { return problem_.reason; }
    [[nodiscard]] QString problemHint() const { return problem_.hint; }

    [[nodiscard]] int prefillDone() const { return prefillDone_; }
    [[nodiscard]] int prefillTotal() const { return prefillTotal_; }
    [[nodiscard]] double ttftMs() const { return ttftMs_; }
    [[nodiscard]] double tpotMs() const { return tpotMs_; }
    [[nodiscard]] int promptTokens() const { return usage_.promptTokens; }
    [[nodiscard]] int imageTokens() const { return usage_.imageTokens; }
    [[nodiscard]] int answerTokens() const { return answerTokens_; }
    [[nodiscard]] double kvUsed() const { return double(kv_.used); }
    [[nodiscard]] double kvCapacity() const { return double(kv_.capacity); }

    Q_INVOKABLE void openModel(const QUrl& folder);
    Q_INVOKABLE void openFolder(const QString& folder);
    /// Says that there is nothing to open and how to change that.
    void reportNoModel();
    Q_INVOKABLE void cancelOpening();
    Q_INVOKABLE void dismissProblem();

    Q_INVOKABLE void send();
    Q_INVOKABLE void stop();
    Q_INVOKABLE void regenerate();
    Q_INVOKABLE void clear();
    Q_INVOKABLE void undoClear();
    Q_INVOKABLE void dismissUndo();
    Q_INVOKABLE void copyAnswer();
    Q_INVOKABLE void copyText(const QString& text);

    Q_INVOKABLE void addFiles(const QList<QUrl>& urls);
    Q_INVOKABLE void addEncodedPicture(const QByteArray& encoded);
    /// Takes pictures or files from the clipboard; false if it holds only text, which the caller then pastes itself.
    Q_INVOKABLE bool pastePictures();
    /// Opens a link of an answer in the browser; only after the user has seen where it leads.
    Q_INVOKABLE void openLink(const QString& target);

signals:
    void stateChanged();
    void draftChanged();
    void canSendChanged();
    void actionsChanged();
    void modelChanged();
    void openProgressChanged();
    void problemChanged();
    void figuresChanged();
    /// An answer is over, whichever way; for those who wait (screenshots, tests, screen readers).
    void answerEnded(bool failed);

private:
    void ask(bool vary);
    void setProblem(const Advice& problem);
    void onOpened(const backend::ModelFacts& facts);
    void onOpenFailed(const backend::BackendError& error);
    void onBatch(quint64 id, const backend::AnswerBatch& batch);
    void onFinished(quint64 id, const backend::AnswerEnd& end);
    void onFailed(quint64 id, const backend::BackendError& error);

    backend::ChatBackend& backend_;
    ImageStore store_;
    MessageModel messages_;
    AttachmentModel attachments_;
    QString shippedModel_;
    QString draft_;
    QString opening_;  // folder being opened, or empty
    backend::ModelFacts facts_;
    BlockModel modelCard_;
    bool hasModel_ = false;
    double openProgress_ = 0;
    Advice problem_;
    quint64 answerId_ = 0;  // of the answer being written, or 0
    bool stopping_ = false;
    quint64 variations_ = 0;  // regenerated answers so far: the seed of the next
    QElapsedTimer sinceSend_;
    QElapsedTimer sinceFirst_;
    int prefillDone_ = 0, prefillTotal_ = 0, answerTokens_ = 0;
    double ttftMs_ = 0, tpotMs_ = 0;
    Usage usage_;
    backend::KvUse kv_;
};

}  // namespace step3::chat
