#include "app/desktop/screenshot.h"

#include <QFileInfo>
#include <QImage>
#include <QQuickWindow>
#include <QTextStream>
#include <QUrl>

#include "app/chat/chat_controller.h"

namespace step3::desktop {

using chat::ChatController;

namespace {

// Layout, fonts and thumbnails settle within a few frames after the last change.
constexpr int kSettleMs = 500;

}  // namespace

Screenshot::Screenshot(ScreenshotJob job, ChatController& chat, QQuickWindow& window)
    : job_(std::move(job)), chat_(chat), window_(window) {
    limit_.setSingleShot(true);
    limit_.setInterval(job_.timeoutSeconds * 1000);
    settle_.setSingleShot(true);
    settle_.setInterval(kSettleMs);
    connect(&limit_, &QTimer::timeout, this, [this] {
        complain(tr("no answer within %1 seconds").arg(job_.timeoutSeconds));
        save();
    });
    connect(&settle_, &QTimer::timeout, this, &Screenshot::save);
    connect(&chat_, &ChatController::stateChanged, this, &Screenshot::advance, Qt::QueuedConnection);
    connect(&chat_, &ChatController::problemChanged, this, &Screenshot::advance, Qt::QueuedConnection);
    connect(chat_.attachments(), &chat::AttachmentModel::changed, this, &Screenshot::advance, Qt::QueuedConnection);
    connect(&chat_, &ChatController::answerEnded, this, [this](bool failed) {
        if (failed) complain(tr("the question failed; the window says why"));
    });
}

void Screenshot::start() {
    limit_.start();
    QMetaObject::invokeMethod(this, &Screenshot::advance, Qt::QueuedConnection);
}

void Screenshot::complain(const QString& what) {
    QTextStream(stderr) << "error: " << what << Qt::endl;
    status_ = 1;
}

void Screenshot::advance() {
    if (stage_ == Stage::Model) {
        if (!chat_.problemTitle().isEmpty()) {
            complain(chat_.problemTitle() + QStringLiteral(": ") + chat_.problemReason());
            stage_ = Stage::Settle;
        } else if (chat_.hasModel()) {
            stage_ = Stage::Pictures;
            QList<QUrl> urls;
            for (const QString& image : job_.images) urls += QUrl::fromLocalFile(QFileInfo(image).absoluteFilePath());
            if (!urls.isEmpty()) chat_.addFiles(urls);
        }
    }
    if (stage_ == Stage::Pictures && !chat_.attachments()->busy()) {
        if (chat_.attachments()->readyCount() != job_.images.size()) {
            complain(tr("a picture was not taken; the window says why"));
        }
        if (job_.prompt.isEmpty()) {
            stage_ = Stage::Settle;
        } else {
            chat_.setDraft(job_.prompt);
            if (const QString obstacle = chat_.sendObstacle(); !obstacle.isEmpty()) {
                complain(obstacle);
                stage_ = Stage::Settle;
            } else {
                stage_ = Stage::Answer;
                chat_.send();
            }
        }
    } else if (stage_ == Stage::Answer && !chat_.answering()) {
        stage_ = Stage::Settle;
    }
    if (stage_ == Stage::Settle && !settle_.isActive()) settle_.start();
}

void Screenshot::save() {
    if (stage_ == Stage::Done) return;
    stage_ = Stage::Done;
    const QImage image = window_.grabWindow();
    if (image.isNull() || !image.save(job_.file, "PNG")) {
        complain(tr("the picture could not be written to %1").arg(job_.file));
    }
    emit done(status_);
}

}  // namespace step3::desktop
