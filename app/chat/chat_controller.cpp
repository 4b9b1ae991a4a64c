#include "app/chat/chat_controller.h"

#include <QClipboard>
#include <QDesktopServices>
#include <QDir>
#include <QGuiApplication>
#include <QImage>
#include <QLocale>
#include <QMimeData>
#include <utility>

#include "app/chat/markdown.h"
#include "app/chat/model_card.h"

namespace step3::chat {

namespace {

/// 3'490'000 as "3.5 M", 321'000'000'000 as "321 B".
QString shortCount(quint64 count) {
    const auto scaled = [](double value, const QString& unit) {
        return QLocale().toString(value, 'f', value < 10 ? 1 : 0) + QChar(0x00A0) + unit;
    };
    if (count >= 1'000'000'000) return scaled(double(count) / 1e9, QStringLiteral("B"));
    if (count >= 1'000'000) return scaled(double(count) / 1e6, QStringLiteral("M"));
    if (count >= 1'000) return scaled(double(count) / 1e3, QStringLiteral("k"));
    return QLocale().toString(count);
}

}  // namespace

ChatController::ChatController(backend::ChatBackend& backend, const QString& shippedModel, QObject* parent)
    : QObject(parent), backend_(backend), messages_(store_), attachments_(store_), shippedModel_(shippedModel) {
    connect(&backend_, &backend::ChatBackend::openProgress, this, [this](double fraction) {
        if (opening_.isEmpty()) return;
        openProgress_ = qBound(0.0, fraction, 1.0);
        emit openProgressChanged();
    });
    connect(&backend_, &backend::ChatBackend::opened, this, &ChatController::onOpened);
    connect(&backend_, &backend::ChatBackend::openFailed, this, &ChatController::onOpenFailed);
    connect(&backend_, &backend::ChatBackend::answerBatch, this, &ChatController::onBatch);
    connect(&backend_, &backend::ChatBackend::answerFinished, this, &ChatController::onFinished);
    connect(&backend_, &backend::ChatBackend::answerFailed, this, &ChatController::onFailed);
    connect(&backend_, &backend::ChatBackend::kvUseChanged, this, [this](const backend::KvUse& use) {
        kv_ = use;
        emit figuresChanged();
    });
    connect(&attachments_, &AttachmentModel::changed, this, &ChatController::canSendChanged);
    connect(this, &ChatController::stateChanged, this, &ChatController::canSendChanged);
    connect(this, &ChatController::stateChanged, this, &ChatController::actionsChanged);
    connect(this, &ChatController::modelChanged, this, &ChatController::canSendChanged);
    connect(&messages_, &MessageModel::countChanged, this, &ChatController::actionsChanged);
}

ChatController::~ChatController() = default;

ChatController::State ChatController::state() const {
    if (answering()) {
        if (stopping_) return State::Stopping;
        switch (messages_.lastPhase()) {
            case MessageModel::Phase::Thinking: return State::Thinking;
            case MessageModel::Phase::Writing: return State::Writing;
            default: return State::Reading;
        }
    }
    if (!opening_.isEmpty()) return State::Opening;
    return hasModel_ ? State::Ready : State::NoModel;
}

void ChatController::setDraft(const QString& draft) {
    if (draft_ == draft) return;
    draft_ = draft;
    emit draftChanged();
    emit canSendChanged();
}

QString ChatController::sendObstacle() const {
    if (answering()) return tr("Wait for the answer, or stop it first.");
    if (!opening_.isEmpty()) return tr("The model is still being opened.");
    if (!hasModel_) return tr("Open a model folder first.");
    if (attachments_.busy()) return tr("A picture is still being read.");
    if (attachments_.readyCount() > 0 && !facts_.vision) return tr("This model reads text only: remove the pictures.");
    if (draft_.trimmed().isEmpty()) return tr("Type a question first.");
    return {};
}

bool ChatController::canSend() const {
    return sendObstacle().isEmpty();
}

bool ChatController::canRegenerate() const {
    return hasModel_ && opening_.isEmpty() && !answering() && messages_.lastIsAnswer();
}

bool ChatController::canCopy() const {
    return !messages_.lastAnswer().isEmpty();
}

bool ChatController::canClear() const {
    return messages_.count() > 0;
}

bool ChatController::canUndoClear() const {
    return messages_.hasStash() && messages_.count() == 0;
}

bool ChatController::shippedModel() const {
    return hasModel_ && !shippedModel_.isEmpty() && QDir(facts_.folder) == QDir(shippedModel_);
}

QString ChatController::modelSummary() const {
    if (!hasModel_) return {};
    QStringList parts;
    parts += facts_.parametersActive > 0 && facts_.parametersActive < facts_.parametersTotal
                 ? tr("%1 parameters, %2 used per token")
                       .arg(shortCount(facts_.parametersTotal), shortCount(facts_.parametersActive))
                 : tr("%1 parameters").arg(shortCount(facts_.parametersTotal));
    parts += tr("%1 of weights").arg(QLocale().formattedDataSize(qint64(facts_.weightBytes), 1));
    parts += tr("reads up to %1 tokens").arg(QLocale().toString(facts_.maxContext));
    parts += facts_.vision ? tr("pictures and text") : tr("text only");
    return parts.join(QStringLiteral(" · "));
}

QString ChatController::openingName() const {
    return opening_.isEmpty() ? QString() : QDir(opening_).dirName();
}

void ChatController::openModel(const QUrl& folder) {
    if (folder.isLocalFile()) openFolder(folder.toLocalFile());
}

void ChatController::openFolder(const QString& folder) {
    if (folder.isEmpty()) return;
    if (answering()) stop();
    opening_ = folder;
    openProgress_ = 0;
    setProblem({});
    emit openProgressChanged();
    emit stateChanged();
    backend_.open(folder);
}

void ChatController::reportNoModel() {
    setProblem(adviceForNoModel());
}

void ChatController::cancelOpening() {
    if (!opening_.isEmpty()) backend_.cancelOpen();
}

void ChatController::setProblem(const Advice& problem) {
    if (problem_ == problem) return;
    problem_ = problem;
    emit problemChanged();
}

void ChatController::dismissProblem() {
    setProblem({});
}

void ChatController::onOpened(const backend::ModelFacts& facts) {
    facts_ = facts;
    modelCard_.setBlocks(parseMarkdown(readModelCard(facts.folder)));
    hasModel_ = true;
    opening_.clear();
    openProgress_ = 1;
    setProblem({});
    emit modelChanged();
    emit openProgressChanged();
    emit stateChanged();
}

void ChatController::onOpenFailed(const backend::BackendError& error) {
    if (opening_.isEmpty()) return;
    setProblem(adviceForOpening(error, opening_));
    opening_.clear();
    emit stateChanged();
}

void ChatController::send() {
    if (!canSend()) return;
    messages_.dropStash();
    messages_.appendQuestion(draft_.trimmed(), attachments_.takeReady());
    setDraft({});
    ask(false);
}

void ChatController::regenerate() {
    if (!canRegenerate() || !messages_.dropLastAnswer()) return;
    ask(true);
}

void ChatController::ask(bool vary) {
    backend::ChatRequest request;
    request.turns = messages_.turns();
    // The first answer is the most likely one; asked again, the model may word it differently.
    if (vary) request.variation = ++variations_;
    messages_.appendAnswer();
    usage_ = {};
    prefillDone_ = prefillTotal_ = answerTokens_ = 0;
    ttftMs_ = tpotMs_ = 0;
    sinceSend_.start();
    stopping_ = false;
    answerId_ = backend_.send(std::move(request));
    emit figuresChanged();
    emit stateChanged();
}

void ChatController::stop() {
    if (!answering() || stopping_) return;
    stopping_ = true;
    backend_.cancel(answerId_);
    emit stateChanged();
}

void ChatController::onBatch(quint64 id, const backend::AnswerBatch& batch) {
    if (id != answerId_) return;
    const State before = state();
    if (batch.prefillTotal > 0) {
        prefillDone_ = batch.prefillDone;
        prefillTotal_ = batch.prefillTotal;
        usage_.promptTokens = batch.prefillTotal;
    }
    if (batch.pieces > 0) {
        if (answerTokens_ == 0) {
            ttftMs_ = double(sinceSend_.nsecsElapsed()) / 1e6;
            sinceFirst_.start();
        }
        answerTokens_ += batch.pieces;
        if (answerTokens_ > 1) tpotMs_ = double(sinceFirst_.nsecsElapsed()) / 1e6 / (answerTokens_ - 1);
    }
    messages_.grow(batch);
    emit figuresChanged();
    if (state() != before) emit stateChanged();
}

void ChatController::onFinished(quint64 id, const backend::AnswerEnd& end) {
    if (id != answerId_) return;
    usage_ = end.usage;
    answerTokens_ = end.usage.completionTokens;
    ttftMs_ = end.usage.ttftSeconds * 1000;
    tpotMs_ = end.usage.tpotSeconds * 1000;
    messages_.finish(end);
    answerId_ = 0;
    stopping_ = false;
    emit figuresChanged();
    emit stateChanged();
    emit answerEnded(false);
}

void ChatController::onFailed(quint64 id, const backend::BackendError& error) {
    if (id != answerId_) return;
    if (error.code == ErrorCode::kCancelled) {
        onFinished(id, {FinishReason::kCancelled, usage_});
        return;
    }
    messages_.fail(adviceForAnswer(error, facts_));
    answerId_ = 0;
    stopping_ = false;
    emit stateChanged();
    emit answerEnded(true);
}

void ChatController::clear() {
    if (!canClear()) return;
    if (answering()) {
        // The answer is kept as far as it came; what still arrives for it is not wanted.
        backend_.cancel(answerId_);
        answerId_ = 0;
        stopping_ = false;
        messages_.finish({FinishReason::kCancelled, usage_});
    }
    messages_.stash();
    emit stateChanged();
}

void ChatController::undoClear() {
    if (!canUndoClear()) return;
    messages_.unstash();
    emit actionsChanged();
}

void ChatController::dismissUndo() {
    messages_.dropStash();
    emit actionsChanged();
}

void ChatController::copyAnswer() {
    if (canCopy()) copyText(messages_.lastAnswer());
}

void ChatController::copyText(const QString& text) {
    QGuiApplication::clipboard()->setText(text);
}

QStringList ChatController::pictureTypes() {
    return {QStringLiteral("image/png"), QStringLiteral("image/jpeg"), QStringLiteral("image/webp"),
            QStringLiteral("image/bmp"), QStringLiteral("image/gif")};
}

void ChatController::addFiles(const QList<QUrl>& urls) {
    attachments_.addUrls(urls);
}

void ChatController::addEncodedPicture(const QByteArray& encoded) {
    attachments_.addEncoded(encoded, tr("Dropped picture"));
}

bool ChatController::pastePictures() {
    const QMimeData* mime = QGuiApplication::clipboard()->mimeData();
    if (mime == nullptr) return false;
    if (mime->hasUrls()) {
        QList<QUrl> files;
        for (const QUrl& url : mime->urls()) {
            if (url.isLocalFile()) files.append(url);
        }
        if (!files.isEmpty()) {
            attachments_.addUrls(files);
            return true;
        }
    }
    // Spreadsheets offer a picture of the copied cells next to their text; the text is meant.
    if (mime->hasText()) return false;
    const auto image = mime->hasImage() ? qvariant_cast<QImage>(mime->imageData()) : QImage();
    if (!image.isNull()) {
        attachments_.addImage(image, tr("Pasted picture"));
        return true;
    }
    // Qt may lack the reader of a format that the engine has.
    for (const QString& type : pictureTypes()) {
        if (!mime->hasFormat(type)) continue;
        attachments_.addEncoded(mime->data(type), tr("Pasted picture"));
        return true;
    }
    return false;
}

void ChatController::openLink(const QString& target) {
    const QUrl url(target, QUrl::StrictMode);
    const QString scheme = url.scheme().toLower();
    if (scheme == QLatin1String("http") || scheme == QLatin1String("https") || scheme == QLatin1String("mailto")) {
        QDesktopServices::openUrl(url);
    }
}

}  // namespace step3::chat
