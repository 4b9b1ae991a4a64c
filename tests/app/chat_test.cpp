#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "app/chat/chat_controller.h"
#include "tests/app/fake_backend.h"

using step3::ErrorCode;
using step3::FinishReason;
using step3::chat::BlockModel;
using step3::chat::ChatController;
using step3::chat::MessageModel;
using step3::test::FakeBackend;
namespace blocktype = step3::chat::blocktype;

namespace {

BlockModel* blocksAt(MessageModel& messages, int row) {
    return messages.data(messages.index(row), MessageModel::BlocksRole).value<BlockModel*>();
}
MessageModel::Phase phaseAt(MessageModel& messages, int row) {
    return messages.data(messages.index(row), MessageModel::PhaseRole).value<MessageModel::Phase>();
}
QString golden(const char* name) {
    return QStringLiteral(STEP3_TEST_DATA "/golden/images/") + QLatin1String(name);
}

}  // namespace

class ChatTest : public QObject {
    Q_OBJECT

private:
    FakeBackend* backend_ = nullptr;
    ChatController* chat_ = nullptr;
    QAbstractItemModelTester* tester_ = nullptr;

    void ask(const char* question) {
        chat_->setDraft(QString::fromUtf8(question));
        chat_->send();
    }

private slots:
    void init() {
        backend_ = new FakeBackend;
        chat_ = new ChatController(*backend_, QStringLiteral("/models/shipped"));
        tester_ = new QAbstractItemModelTester(chat_->messages());
        chat_->openFolder(QStringLiteral("/models/shipped"));
        QCOMPARE(chat_->state(), ChatController::State::Opening);
        backend_->finishOpening();
    }
    void cleanup() {
        delete tester_;
        delete chat_;
        delete backend_;
    }

    void opensAndTellsAboutTheModel() {
        QCOMPARE(chat_->state(), ChatController::State::Ready);
        QVERIFY(chat_->shippedModel());
        QCOMPARE(chat_->modelName(), QStringLiteral("fake-model"));
        QVERIFY(!chat_->modelSummary().isEmpty());
        chat_->openFolder(QStringLiteral("/models/other"));
        emit backend_->openProgress(0.5);
        QCOMPARE(chat_->openProgress(), 0.5);
        backend_->finishOpening();
        QVERIFY(!chat_->shippedModel());
    }

    void theFolderTellsAboutItsModel() {
        QVERIFY(!chat_->hasModelCard());
        const QTemporaryDir folder;
        const auto open = [&](const QByteArray& readme) {
            QFile file(folder.filePath(QStringLiteral("README.md")));
            QVERIFY(file.open(QIODevice::WriteOnly));
            file.write(readme);
            file.close();
            chat_->openFolder(folder.path());
            backend_->finishOpening();
        };
        open("---\r\nlicense: x\r\n---\r\n# Name\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
        QVERIFY(chat_->hasModelCard());
        const auto blocks = chat_->modelCard()->blocks();
        QCOMPARE(blocks.size(), 2);
        QCOMPARE(blocks[0].plain, QStringLiteral("Name"));
        QCOMPARE(blocks[1].type, blocktype::Table);
        open("\xff\xfe not UTF-8");
        QVERIFY(!chat_->hasModelCard());
        open(QByteArray(300 * 1024, 'x'));
        QVERIFY(!chat_->hasModelCard());
    }

    void aFailedOpeningKeepsTheModel() {
        chat_->openFolder(QStringLiteral("/models/bad"));
        emit backend_->openFailed(
            {ErrorCode::kInvalidData, QStringLiteral("config.json: expected an object, found 3")});
        QVERIFY(chat_->problemTitle().contains(QStringLiteral("bad")));
        QCOMPARE(chat_->problemReason(), QStringLiteral("config.json: expected an object, found 3"));
        QVERIFY(!chat_->problemHint().isEmpty());
        QCOMPARE(chat_->state(), ChatController::State::Ready);
        ask("still there?");
        QVERIFY(chat_->answering());
    }

    void answersStreamThroughTheirPhases() {
        ask("  What is it?  ");
        QCOMPARE(chat_->draft(), QString());
        QCOMPARE(chat_->messages()->count(), 2);
        QCOMPARE(chat_->state(), ChatController::State::Reading);
        backend_->think(QStringLiteral("a circle"));
        QCOMPARE(chat_->state(), ChatController::State::Thinking);
        backend_->write(QStringLiteral("It is a **circle**."));
        QCOMPARE(chat_->state(), ChatController::State::Writing);
        backend_->finish();
        QCOMPARE(chat_->state(), ChatController::State::Ready);
        QCOMPARE(phaseAt(*chat_->messages(), 1), MessageModel::Phase::Done);
        const auto& blocks = blocksAt(*chat_->messages(), 1)->blocks();
        QCOMPARE(blocks.size(), 2);
        QCOMPARE(blocks[0].type, blocktype::Thinking);
        QVERIFY(!blocks[0].running);
        QCOMPARE(blocks[1].plain, QStringLiteral("It is a circle."));
        QCOMPARE(chat_->ttftMs(), 250.0);
        QCOMPARE(chat_->answerTokens(), 7);
        QVERIFY(chat_->canCopy());
    }

    void textIsCoalescedToFrames() {
        ask("write a lot");
        BlockModel* blocks = blocksAt(*chat_->messages(), 1);
        const QAbstractItemModelTester tester(blocks);
        const QSignalSpy changes(blocks, &BlockModel::dataChanged);
        const QSignalSpy inserts(blocks, &BlockModel::rowsInserted);
        for (int i = 0; i < 2000; ++i) backend_->write(QStringLiteral("word "));
        QVERIFY(changes.count() + inserts.count() <= 1);  // nothing is drawn before a frame has passed
        QTRY_VERIFY(inserts.count() == 1);
        QVERIFY(changes.count() + inserts.count() <= 3);
        backend_->finish();
        QCOMPARE(blocks->blocks()[0].plain.count(QStringLiteral("word")), 2000);
    }

    void onlyTheLastBlockOfAGrowingAnswerChanges() {
        ask("code please");
        BlockModel* blocks = blocksAt(*chat_->messages(), 1);
        backend_->write(QStringLiteral("Intro\n\n```\na\n```\n\nTail"));
        QTRY_COMPARE(blocks->rowCount(), 3);
        const QSignalSpy changes(blocks, &BlockModel::dataChanged);
        backend_->write(QStringLiteral(" grows"));
        QTRY_COMPARE(changes.count(), 1);
        QCOMPARE(changes[0][0].toModelIndex().row(), 2);
        backend_->finish();
    }

    void stopKeepsWhatWasWritten() {
        ask("long story");
        backend_->write(QStringLiteral("Once upon"));
        chat_->stop();
        chat_->stop();
        QCOMPARE(backend_->cancelled, QList<quint64>{1});
        QCOMPARE(chat_->state(), ChatController::State::Stopping);
        backend_->finish(FinishReason::kCancelled);
        QCOMPARE(phaseAt(*chat_->messages(), 1), MessageModel::Phase::Stopped);
        QVERIFY(chat_->canRegenerate());
        ask("go on");
        const auto& turns = backend_->sent.last().request.turns;
        QCOMPARE(turns.size(), std::size_t(3));
        QCOMPARE(turns[1].text, QStringLiteral("Once upon"));
    }

    void regenerateAsksTheSameDifferently() {
        ask("q");
        backend_->write(QStringLiteral("first"));
        backend_->finish();
        QCOMPARE(backend_->sent[0].request.variation, quint64(0));
        chat_->regenerate();
        QCOMPARE(backend_->sent.size(), 2);
        QCOMPARE(backend_->sent[1].request.variation, quint64(1));
        QCOMPARE(backend_->sent[1].request.turns.size(), std::size_t(1));
        QCOMPARE(chat_->messages()->count(), 2);
        backend_->write(QStringLiteral("second"));
        backend_->finish();
        QCOMPARE(chat_->messages()->lastAnswer(), QStringLiteral("second"));
    }

    void overflowExplainsItselfAndIsLeftOutLater() {
        ask("short");
        backend_->write(QStringLiteral("fine"));
        backend_->finish();
        ask("far too long");
        const QSignalSpy ended(chat_, &ChatController::answerEnded);
        backend_->fail(ErrorCode::kResourceExhausted,
                       QStringLiteral("prompt: expected at most 4096 tokens, found 5000"));
        QCOMPARE(ended.count(), 1);
        const auto& blocks = blocksAt(*chat_->messages(), 3)->blocks();
        QCOMPARE(blocks.last().type, blocktype::Error);
        QVERIFY(blocks.last().hint.contains(QStringLiteral("Ctrl+L")));
        ask("next");
        const auto& turns = backend_->sent.last().request.turns;
        QCOMPARE(turns.size(), std::size_t(3));
        QCOMPARE(turns[2].text, QStringLiteral("next"));
    }

    void clearCanBeUndone() {
        ask("q");
        backend_->write(QStringLiteral("a"));
        backend_->finish();
        chat_->clear();
        QCOMPARE(chat_->messages()->count(), 0);
        QVERIFY(chat_->canUndoClear());
        chat_->undoClear();
        QCOMPARE(chat_->messages()->count(), 2);
        QVERIFY(!chat_->canUndoClear());
        chat_->clear();
        ask("new");
        QVERIFY(!chat_->canUndoClear());
        QCOMPARE(backend_->sent.last().request.turns.size(), std::size_t(1));
    }

    void clearingWhileAnsweringStopsIt() {
        ask("q");
        backend_->write(QStringLiteral("part"));
        chat_->clear();
        QCOMPARE(backend_->cancelled.size(), 1);
        QVERIFY(!chat_->answering());
        backend_->write(QStringLiteral(" too late"));
        backend_->finish(FinishReason::kCancelled);
        chat_->undoClear();
        QCOMPARE(chat_->messages()->lastAnswer(), QStringLiteral("part"));
    }

    void picturesTravelWithEarlierTurns() {
        chat_->addFiles({QUrl::fromLocalFile(golden("a_64x48.png"))});
        chat_->setDraft(QStringLiteral("what?"));
        QVERIFY(!chat_->canSend());  // still being read
        QTRY_VERIFY(chat_->canSend());
        chat_->send();
        backend_->write(QStringLiteral("noise"));
        backend_->finish();
        QCOMPARE(chat_->images().size(), 1);
        ask("and now?");
        const auto& turns = backend_->sent.last().request.turns;
        QCOMPARE(turns.size(), std::size_t(3));
        QCOMPARE(turns[0].pictures.size(), std::size_t(1));
        QCOMPARE(turns[0].pictures[0]->width, 64);
        backend_->finish();
        chat_->clear();
        chat_->dismissUndo();
        QCOMPARE(chat_->images().size(), 0);
    }

    void obstaclesAreNamed() {
        QVERIFY(!chat_->sendObstacle().isEmpty());  // no question yet
        ask("q");
        QVERIFY(!chat_->sendObstacle().isEmpty());
        backend_->finish();
        chat_->openFolder(QStringLiteral("/models/text-only"));
        backend_->finishOpening(false);
        chat_->addFiles({QUrl::fromLocalFile(golden("a_64x48.png"))});
        chat_->setDraft(QStringLiteral("what?"));
        QTRY_VERIFY(!chat_->attachments()->busy());
        QVERIFY(chat_->sendObstacle().contains(QStringLiteral("text only")));
    }
};

QTEST_MAIN(ChatTest)
#include "chat_test.moc"
