#include "app/backend/local_backend.h"

#include <QSignalSpy>
#include <QTest>
#include <QThread>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "app/backend/event_mailbox.h"

using namespace step3;  // the test's own types live beside the engine's
using backend::AnswerNews;
using backend::EventMailbox;
using backend::LocalBackend;

namespace {

/// An engine whose answer is given by a thread: it writes until it is cancelled or has written `tokens` tokens.
class ThreadedEngine : public Engine {
public:
    explicit ThreadedEngine(int tokens) : tokens_(tokens) { info_.name = "threaded"; }

    [[nodiscard]] const ModelInfo& info() const override { return info_; }
    RequestId submit(Request request, EventSink sink) override {
        if (request.messages.empty())
            throw Error(ErrorCode::kInvalidArgument, "messages: expected at least one, found none");
        lastRequest = request;
        threads_.emplace_back([this, sink](const std::stop_token& stop) {
            sink(PrefillProgress{10, 10});
            int written = 0;
            while (written < tokens_ && !cancelled_ && !stop.stop_requested()) {
                sink(TextDelta{"x"});
                if (++written % 64 == 0) std::this_thread::yield();
            }
            Usage usage;
            usage.completionTokens = written;
            sink(Finished{cancelled_ ? FinishReason::kCancelled : FinishReason::kStop, {}, usage});
        });
        return threads_.size();
    }
    void cancel(RequestId) override { cancelled_ = true; }
    [[nodiscard]] Metrics metrics() const override {
        Metrics metrics;
        metrics.kvTokensUsed = 3;
        metrics.kvTokensCapacity = 100;
        return metrics;
    }

    Request lastRequest;

private:
    ModelInfo info_;
    int tokens_;
    std::atomic<bool> cancelled_{false};
    std::vector<std::jthread> threads_;
};

backend::ChatRequest question(const char* text) {
    backend::ChatRequest request;
    request.turns.push_back({backend::ChatTurn::Role::kUser, QString::fromUtf8(text), {}});
    return request;
}

LocalBackend::EngineOpener opening(int tokens) {
    return [tokens](const OpenOptions&, const EngineProgress& progress,
                    const std::stop_token&) -> std::unique_ptr<Engine> {
        for (int i = 0; i <= 1000; ++i) progress(i / 1000.0);
        return std::make_unique<ThreadedEngine>(tokens);
    };
}

}  // namespace

class LocalBackendTest : public QObject {
    Q_OBJECT

private slots:
    void mailboxMergesWhatManyThreadsSend() {
        EventMailbox mailbox(5);
        QHash<quint64, int> received;
        QHash<quint64, int> ended;
        int deliveries = 0;
        connect(&mailbox, &EventMailbox::delivered, this, [&](const std::vector<AnswerNews>& news) {
            ++deliveries;
            QCOMPARE(QThread::currentThread(), thread());
            for (const AnswerNews& one : news) {
                QVERIFY(!ended.contains(one.id));
                received[one.id] += int(one.batch.text.size());
                if (one.end) ended[one.id] = 1;
            }
        });
        {
            std::vector<std::jthread> threads;
            for (quint64 id = 1; id <= 4; ++id) {
                threads.emplace_back([sink = mailbox.sinkFor(id)] {
                    for (int i = 0; i < 5000; ++i) sink(TextDelta{"y"});
                    sink(Finished{});
                });
            }
        }
        QTRY_COMPARE(ended.size(), 4);
        for (quint64 id = 1; id <= 4; ++id) QCOMPARE(received[id], 5000);
        QVERIFY(deliveries < 2000);
    }

    void sinksMayOutliveTheMailbox() {
        EventSink sink;
        {
            EventMailbox mailbox;
            sink = mailbox.sinkFor(1);
            sink(TextDelta{"a"});
        }
        sink(TextDelta{"b"});
        QCoreApplication::processEvents();
    }

    void answersComeBackInBatches() {
        LocalBackend local({}, opening(3000));
        const QSignalSpy opened(&local, &backend::ChatBackend::opened);
        const QSignalSpy progress(&local, &backend::ChatBackend::openProgress);
        local.open(QStringLiteral("/some/folder"));
        QTRY_COMPARE(opened.count(), 1);
        QVERIFY(progress.count() < 200);
        QString text;
        const QSignalSpy batches(&local, &backend::ChatBackend::answerBatch);
        connect(&local, &backend::ChatBackend::answerBatch, this,
                [&](quint64, const backend::AnswerBatch& batch) { text += batch.text; });
        const QSignalSpy finished(&local, &backend::ChatBackend::answerFinished);
        const QSignalSpy kv(&local, &backend::ChatBackend::kvUseChanged);
        const quint64 id = local.send(question("hi"));
        QTRY_COMPARE(finished.count(), 1);
        QCOMPARE(finished[0][0].toULongLong(), id);
        QCOMPARE(text.size(), 3000);
        QVERIFY(batches.count() < 1000);
        QTRY_VERIFY(kv.count() > 0);
        QCOMPARE(kv.last()[0].value<backend::KvUse>().capacity, quint64(100));
    }

    void cancelEndsTheAnswer() {
        LocalBackend local({}, opening(2'000'000'000));
        const QSignalSpy opened(&local, &backend::ChatBackend::opened);
        local.open(QStringLiteral("/some/folder"));
        QTRY_COMPARE(opened.count(), 1);
        const QSignalSpy finished(&local, &backend::ChatBackend::answerFinished);
        const quint64 id = local.send(question("hi"));
        local.cancel(id);
        QTRY_COMPARE(finished.count(), 1);
        QCOMPARE(finished[0][1].value<backend::AnswerEnd>().reason, FinishReason::kCancelled);
    }

    void closingWhileAnsweringIsClean() {
        auto local = std::make_unique<LocalBackend>(OpenOptions{}, opening(2'000'000'000));
        const QSignalSpy opened(local.get(), &backend::ChatBackend::opened);
        local->open(QStringLiteral("/some/folder"));
        QTRY_COMPARE(opened.count(), 1);
        local->send(question("hi"));
        QTest::qWait(20);
        local.reset();
    }

    void failuresCarryTheirMessage() {
        LocalBackend local(
            {}, [](const OpenOptions&, const EngineProgress&, const std::stop_token&) -> std::unique_ptr<Engine> {
                throw Error(ErrorCode::kNotFound, "config.json: expected a file, found none");
            });
        const QSignalSpy failed(&local, &backend::ChatBackend::openFailed);
        local.open(QStringLiteral("/some/folder"));
        QTRY_COMPARE(failed.count(), 1);
        QCOMPARE(failed[0][0].value<backend::BackendError>().message,
                 QStringLiteral("config.json: expected a file, found none"));
        const QSignalSpy answerFailed(&local, &backend::ChatBackend::answerFailed);
        local.send(question("hi"));
        QTRY_COMPARE(answerFailed.count(), 1);
        QCOMPARE(answerFailed[0][1].value<backend::BackendError>().code, ErrorCode::kNotFound);
    }

    void openingCanBeStopped() {
        LocalBackend local(
            {}, [](const OpenOptions&, const EngineProgress&, const std::stop_token& stop) -> std::unique_ptr<Engine> {
                while (!stop.stop_requested()) std::this_thread::yield();
                throw Error(ErrorCode::kCancelled, "opening was stopped");
            });
        const QSignalSpy failed(&local, &backend::ChatBackend::openFailed);
        local.open(QStringLiteral("/some/folder"));
        local.cancelOpen();
        QTRY_COMPARE(failed.count(), 1);
        QCOMPARE(failed[0][0].value<backend::BackendError>().code, ErrorCode::kCancelled);
    }

    // The real engine with the small reference model.
    void answersWithARealModel() {
        LocalBackend local;
        const QSignalSpy opened(&local, &backend::ChatBackend::opened);
        const QSignalSpy openFailed(&local, &backend::ChatBackend::openFailed);
        local.open(QStringLiteral(STEP3_TEST_DATA "/golden/tiny-bf16"));
        QTRY_VERIFY_WITH_TIMEOUT(opened.count() + openFailed.count() > 0, 60'000);
        if (!openFailed.isEmpty()) QFAIL(qPrintable(openFailed[0][0].value<backend::BackendError>().message));
        QVERIFY(opened[0][0].value<backend::ModelFacts>().vision);
        auto request = question("What is it?");
        request.turns[0].pictures.push_back(
            std::make_shared<const image::Image>(image::loadImage(STEP3_TEST_DATA "/golden/images/a_64x48.png")));
        const QSignalSpy finished(&local, &backend::ChatBackend::answerFinished);
        const QSignalSpy failed(&local, &backend::ChatBackend::answerFailed);
        const quint64 id = local.send(request);
        connect(&local, &backend::ChatBackend::answerBatch, this,
                [&](quint64 batchId, const backend::AnswerBatch& batch) {
                    if (batch.pieces > 0) local.cancel(batchId);
                });
        QTRY_VERIFY_WITH_TIMEOUT(finished.count() + failed.count() > 0, 120'000);
        if (!failed.isEmpty()) QFAIL(qPrintable(failed[0][1].value<backend::BackendError>().message));
        QCOMPARE(finished[0][0].toULongLong(), id);
        QVERIFY(finished[0][1].value<backend::AnswerEnd>().usage.imageTokens > 0);
    }
};

QTEST_GUILESS_MAIN(LocalBackendTest)
#include "local_backend_test.moc"
