#include "app/chat/message_model.h"

#include <algorithm>

#include "app/chat/image_store.h"
#include "app/chat/markdown.h"

namespace step3::chat {

namespace {

constexpr qint64 kFrameMs = 16;
// Rebuilding the blocks may take a fifth of the UI thread's time at most.
constexpr qint64 kRenderShare = 5;

bool isOver(MessageModel::Phase phase) {
    return phase >= MessageModel::Phase::Done;
}

}  // namespace

MessageModel::MessageModel(ImageStore& store, QObject* parent) : QAbstractListModel(parent), store_(store) {
    renderTimer_.setSingleShot(true);
    renderTimer_.setTimerType(Qt::PreciseTimer);
    connect(&renderTimer_, &QTimer::timeout, this, &MessageModel::render);
}

MessageModel::~MessageModel() = default;

int MessageModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : count();
}

QVariant MessageModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid)) return {};
    const Message& message = messages_.at(index.row());
    switch (role) {
        case PhaseRole: return QVariant::fromValue(message.phase);
        case BlocksRole: return QVariant::fromValue(message.blocks);
        case Qt::DisplayRole:
        case TextRole: return message.text;
        case IsLastRole: return index.row() == count() - 1;
        case TtftRole: return message.usage.ttftSeconds * 1000.0;
        case TpotRole: return message.usage.tpotSeconds * 1000.0;
        case TokensRole: return message.usage.completionTokens;
        default: return {};
    }
}

QHash<int, QByteArray> MessageModel::roleNames() const {
    return {{PhaseRole, "phase"}, {BlocksRole, "blocks"}, {TextRole, "text"},    {IsLastRole, "isLast"},
            {TtftRole, "ttftMs"}, {TpotRole, "tpotMs"},   {TokensRole, "tokens"}};
}

QList<ContentBlock> MessageModel::blocksOf(const Message& message) const {
    QList<ContentBlock> blocks;
    for (const AttachedPicture& picture : message.pictures) {
        ContentBlock block;
        block.type = blocktype::Image;
        block.image = picture.thumbnail;
        block.plain = picture.name;
        block.width = int(picture.pixels->width);
        block.height = int(picture.pixels->height);
        blocks.append(block);
    }
    if (message.phase == Phase::Question) {
        if (!message.text.isEmpty()) blocks.append(plainTextBlock(message.text));
        return blocks;
    }
    if (const QString thinking = message.thinking.trimmed(); !thinking.isEmpty() || message.phase == Phase::Thinking) {
        ContentBlock block;
        block.type = blocktype::Thinking;
        block.plain = thinking;
        block.html = plainTextBlock(thinking).html;
        block.running = message.phase == Phase::Thinking;
        block.milliseconds = message.thinkingMs;
        blocks.append(block);
    }
    blocks.append(parseMarkdown(message.text.trimmed()));
    if (message.phase == Phase::Failed) {
        ContentBlock block;
        block.type = blocktype::Error;
        block.title = message.error.title;
        block.plain = message.error.reason;
        block.hint = message.error.hint;
        blocks.append(block);
    }
    return blocks;
}

void MessageModel::append(Message message) {
    message.blocks = new BlockModel(this);
    message.blocks->setBlocks(blocksOf(message));
    beginInsertRows({}, count(), count());
    messages_.append(std::move(message));
    endInsertRows();
    if (count() > 1) rowChanged(count() - 2, {IsLastRole});
    emit countChanged();
}

void MessageModel::rowChanged(int row, const QList<int>& roles) {
    const QModelIndex changed = index(row);
    emit dataChanged(changed, changed, roles);
}

void MessageModel::appendQuestion(const QString& text, const QList<AttachedPicture>& pictures) {
    Message message;
    message.text = text;
    message.pictures = pictures;
    append(std::move(message));
}

void MessageModel::appendAnswer() {
    Message message;
    message.phase = Phase::Reading;
    renderCostMs_ = 0;
    sinceRender_.invalidate();
    append(std::move(message));
}

void MessageModel::setPhase(Phase phase) {
    Message& message = messages_.last();
    if (message.phase == phase) return;
    if (phase == Phase::Thinking) sinceThinking_.start();
    if (message.phase == Phase::Thinking) message.thinkingMs = sinceThinking_.elapsed();
    message.phase = phase;
    rowChanged(count() - 1, {PhaseRole});
}

void MessageModel::grow(const backend::AnswerBatch& batch) {
    if (messages_.isEmpty() || isOver(lastPhase())) return;
    Message& message = messages_.last();
    message.pieces += batch.pieces;
    message.thinking += batch.reasoning;
    message.text += batch.text;
    if (!batch.reasoning.isEmpty()) setPhase(Phase::Thinking);
    if (!batch.text.isEmpty()) setPhase(Phase::Writing);
    scheduleRender();
}

void MessageModel::scheduleRender() {
    if (renderTimer_.isActive()) return;
    const qint64 interval = std::max(kFrameMs, renderCostMs_ * kRenderShare);
    const qint64 waited = sinceRender_.isValid() ? sinceRender_.elapsed() : interval;
    renderTimer_.start(int(std::max<qint64>(0, interval - waited)));
}

void MessageModel::render() {
    renderTimer_.stop();
    if (messages_.isEmpty()) return;
    QElapsedTimer cost;
    cost.start();
    const Message& message = messages_.last();
    message.blocks->setBlocks(blocksOf(message));
    renderCostMs_ = cost.elapsed();
    sinceRender_.start();
    rowChanged(count() - 1, {TextRole, Qt::DisplayRole});
}

void MessageModel::finish(const backend::AnswerEnd& end) {
    if (messages_.isEmpty() || isOver(lastPhase())) return;
    messages_.last().usage = end.usage;
    switch (end.reason) {
        case FinishReason::kCancelled: setPhase(Phase::Stopped); break;
        case FinishReason::kLength: setPhase(Phase::Cut); break;
        default: setPhase(Phase::Done); break;
    }
    render();
    rowChanged(count() - 1, {TtftRole, TpotRole, TokensRole});
}

void MessageModel::fail(const Advice& advice) {
    if (messages_.isEmpty() || isOver(lastPhase())) return;
    messages_.last().error = advice;
    setPhase(Phase::Failed);
    render();
}

bool MessageModel::dropLastAnswer() {
    if (!lastIsAnswer()) return false;
    beginRemoveRows({}, count() - 1, count() - 1);
    QList<Message> dropped{messages_.takeLast()};
    endRemoveRows();
    release(dropped);
    if (count() > 0) rowChanged(count() - 1, {IsLastRole});
    emit countChanged();
    return true;
}

void MessageModel::stash() {
    if (messages_.isEmpty()) return;
    dropStash();
    beginResetModel();
    stash_.swap(messages_);
    endResetModel();
    emit countChanged();
}

void MessageModel::unstash() {
    if (stash_.isEmpty() || !messages_.isEmpty()) return;
    beginResetModel();
    messages_.swap(stash_);
    endResetModel();
    emit countChanged();
}

void MessageModel::dropStash() {
    release(stash_);
}

void MessageModel::release(QList<Message>& messages) {
    for (const Message& message : messages) {
        for (const AttachedPicture& picture : message.pictures) store_.remove(picture.thumbnail);
        message.blocks->deleteLater();  // a delegate may still look at it in this turn of the event loop
    }
    messages.clear();
}

std::vector<backend::ChatTurn> MessageModel::turns() const {
    std::vector<backend::ChatTurn> turns;
    for (qsizetype i = 0; i < messages_.size(); ++i) {
        const Message& message = messages_.at(i);
        if (message.phase == Phase::Question) {
            const bool answered = i + 1 < messages_.size() && !messages_.at(i + 1).text.trimmed().isEmpty();
            const bool askedNow = i + 2 >= messages_.size();
            if (!answered && !askedNow) continue;
            backend::ChatTurn turn;
            turn.text = message.text;
            for (const AttachedPicture& picture : message.pictures) turn.pictures.push_back(picture.pixels);
            turns.push_back(std::move(turn));
        } else if (const QString text = message.text.trimmed(); !text.isEmpty()) {
            turns.push_back({backend::ChatTurn::Role::kAssistant, text, {}});
        }
    }
    return turns;
}

QString MessageModel::lastAnswer() const {
    const auto last = std::find_if(messages_.rbegin(), messages_.rend(), [](const Message& message) {
        return message.phase != Phase::Question && !message.text.trimmed().isEmpty();
    });
    return last == messages_.rend() ? QString() : last->text.trimmed();
}

MessageModel::Phase MessageModel::lastPhase() const {
    return messages_.isEmpty() ? Phase::Question : messages_.last().phase;
}

bool MessageModel::lastIsAnswer() const {
    return !messages_.isEmpty() && lastPhase() != Phase::Question;
}

}  // namespace step3::chat
