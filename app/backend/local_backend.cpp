#include "app/backend/local_backend.h"

#include <QHash>
#include <QTimer>
#include <algorithm>
#include <chrono>
#include <utility>

namespace step3::backend {

namespace {

constexpr int kMetricsIntervalMs = 400;

QString toQString(const std::string& text) {
    return QString::fromStdString(text);
}

std::filesystem::path toPath(const QString& path) {
    return std::filesystem::path(path.toStdU16String());
}

ModelFacts factsOf(const ModelInfo& info) {
    ModelFacts facts;
    facts.name = toQString(info.name);
    facts.folder = QString::fromStdU16String(info.folder.u16string());
    facts.architecture = toQString(info.architecture);
    facts.vision = info.vision;
    facts.maxContext = info.maxContext;
    facts.parametersTotal = info.parametersTotal;
    facts.parametersActive = info.parametersActive;
    facts.weightBytes = info.weightBytes;
    facts.kvBytesPerToken = info.kvBytesPerToken;
    return facts;
}

Request toEngineRequest(ChatRequest request, sampling::SamplingParams sampling) {
    Request result;
    result.sampling = std::move(sampling);
    if (request.variation > 0) {
        // A greedy model would only repeat itself.
        result.sampling.temperature = std::max(result.sampling.temperature, 0.7F);
        result.sampling.topP = std::min(result.sampling.topP, 0.95F);
        result.sampling.seed = request.variation;
    }
    result.think = request.think;
    for (ChatTurn& turn : request.turns) {
        Message message;
        message.role = turn.role == ChatTurn::Role::kUser ? "user" : "assistant";
        for (Picture& picture : turn.pictures) {
            message.parts.push_back({Message::Part::Kind::kImage, {}, std::move(picture)});
        }
        if (!turn.text.isEmpty() || message.parts.empty()) {
            message.parts.push_back({Message::Part::Kind::kText, turn.text.toStdString(), nullptr});
        }
        result.messages.push_back(std::move(message));
    }
    return result;
}

/// Runs `work`, turning what it throws into a BackendError given to `failed`.
template <typename Work, typename OnError>
void guarded(const Work& work, const OnError& failed) {
    try {
        work();
    } catch (const Error& error) {
        failed(BackendError{error.code(), toQString(error.what())});
    } catch (const std::bad_alloc&) {
        failed(BackendError{ErrorCode::kResourceExhausted, QStringLiteral("the memory of this machine is used up")});
    } catch (const std::exception& error) {
        failed(BackendError{ErrorCode::kInternal, toQString(error.what())});
    }
}

}  // namespace

/// Owns the engine; every method runs in the backend's thread.
class LocalBackend::Worker : public QObject {
public:
    Worker(LocalBackend* backend, OpenOptions options, EngineOpener opener)
        : backend_(backend), options_(std::move(options)), opener_(std::move(opener)), poll_(new QTimer(this)) {
        poll_->setInterval(kMetricsIntervalMs);
        connect(poll_, &QTimer::timeout, this, [this] { readMetrics(); });
    }

    void open(const QString& folder, const std::stop_token& stop) {
        guarded(
            [&] {
                OpenOptions options = options_;
                options.model = toPath(folder);
                std::unique_ptr<Engine> engine = opener_(
                    options, [this](double fraction) { report(fraction); }, stop);
                if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "opening was stopped");
                engineIds_.clear();
                engine_ = std::move(engine);
                toUi([facts = factsOf(engine_->info())](LocalBackend* ui) { emit ui->opened(facts); });
                readMetrics();
            },
            [&](const BackendError& error) { toUi([error](LocalBackend* ui) { emit ui->openFailed(error); }); });
    }

    void send(quint64 id, ChatRequest request, const EventSink& sink) {
        const auto fail = [&](const BackendError& error) { sink(Failed{error.code, error.message.toStdString()}); };
        if (!engine_) {
            fail(BackendError{ErrorCode::kNotFound, QStringLiteral("no model is open")});
            return;
        }
        guarded(
            [&] {
                engineIds_.insert(
                    id, engine_->submit(toEngineRequest(std::move(request), engine_->defaultSampling()), sink));
                poll_->start();
            },
            fail);
    }

    void cancel(quint64 id) {
        const auto known = engineIds_.constFind(id);
        if (known != engineIds_.constEnd() && engine_) engine_->cancel(known.value());
    }

    void done(quint64 id) {
        engineIds_.remove(id);
        if (engineIds_.isEmpty()) poll_->stop();
        readMetrics();
    }

private:
    template <typename Call>
    void toUi(Call call) {
        QMetaObject::invokeMethod(
            backend_, [call = std::move(call), ui = backend_] { call(ui); }, Qt::QueuedConnection);
    }

    /// The engine may report every tensor; the window needs one percent steps at most, at display rate.
    void report(double fraction) {
        const auto now = std::chrono::steady_clock::now();
        if (fraction < 1.0 && now - lastReport_ < std::chrono::milliseconds(33)) return;
        lastReport_ = now;
        toUi([fraction](LocalBackend* ui) { emit ui->openProgress(fraction); });
    }

    void readMetrics() {
        if (!engine_) return;
        const Metrics metrics = engine_->metrics();
        toUi([use = KvUse{metrics.kvTokensUsed, metrics.kvTokensCapacity}](LocalBackend* ui) {
            emit ui->kvUseChanged(use);
        });
    }

    LocalBackend* backend_;
    OpenOptions options_;
    EngineOpener opener_;
    QTimer* poll_;
    std::unique_ptr<Engine> engine_;
    QHash<quint64, RequestId> engineIds_;
    std::chrono::steady_clock::time_point lastReport_{};
};

LocalBackend::LocalBackend(OpenOptions options, EngineOpener opener, QObject* parent) : ChatBackend(parent) {
    if (!opener) opener = &Engine::open;
    worker_ = new Worker(this, std::move(options), std::move(opener));
    worker_->moveToThread(&thread_);
    connect(&thread_, &QThread::finished, worker_, &QObject::deleteLater);
    connect(&mailbox_, &EventMailbox::delivered, this, &LocalBackend::receive);
    thread_.setObjectName(QStringLiteral("step3-backend"));
    thread_.start();
}

LocalBackend::~LocalBackend() {
    openStop_.request_stop();
    thread_.quit();  // its end deletes the worker and with it the engine, which cancels what still runs
    thread_.wait();
}

void LocalBackend::open(const QString& folder) {
    openStop_.request_stop();
    openStop_ = std::stop_source();
    QMetaObject::invokeMethod(
        worker_, [worker = worker_, folder, stop = openStop_.get_token()] { worker->open(folder, stop); },
        Qt::QueuedConnection);
}

void LocalBackend::cancelOpen() {
    openStop_.request_stop();
}

quint64 LocalBackend::send(ChatRequest request) {
    const quint64 id = ++lastId_;
    running_.insert(id);
    // std::function needs copyable captures; the request travels in a shared pointer and is moved out once.
    auto shared = std::make_shared<ChatRequest>(std::move(request));
    QMetaObject::invokeMethod(
        worker_,
        [worker = worker_, id, shared, sink = mailbox_.sinkFor(id)] { worker->send(id, std::move(*shared), sink); },
        Qt::QueuedConnection);
    return id;
}

void LocalBackend::cancel(quint64 id) {
    if (!running_.contains(id)) return;
    QMetaObject::invokeMethod(
        worker_, [worker = worker_, id] { worker->cancel(id); }, Qt::QueuedConnection);
}

void LocalBackend::receive(const std::vector<AnswerNews>& news) {
    for (const AnswerNews& one : news) {
        if (!running_.contains(one.id)) continue;
        if (one.batch.pieces > 0 || one.batch.prefillTotal > 0) emit answerBatch(one.id, one.batch);
        if (!one.end && !one.error) continue;
        running_.remove(one.id);
        QMetaObject::invokeMethod(
            worker_, [worker = worker_, id = one.id] { worker->done(id); }, Qt::QueuedConnection);
        if (one.error) {
            emit answerFailed(one.id, *one.error);
        } else {
            emit answerFinished(one.id, *one.end);
        }
    }
}

}  // namespace step3::backend
