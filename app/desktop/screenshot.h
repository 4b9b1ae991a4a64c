#pragma once

#include <QObject>
#include <QString>
#include <QStringList>
#include <QTimer>

class QQuickWindow;

namespace step3::chat {
class ChatController;
}

namespace step3::desktop {

struct ScreenshotJob {
    QString file;        // PNG to write
    QStringList images;  // attached in order
    QString prompt;      // empty: nothing is asked
    int timeoutSeconds = 120;
};

/// Plays a user: waits for the model, attaches, asks, waits for the end of the answer, saves the window and reports an
/// exit status: 0 if everything went as asked.
class Screenshot : public QObject {
    Q_OBJECT

public:
    Screenshot(ScreenshotJob job, chat::ChatController& chat, QQuickWindow& window);
    void start();

signals:
    void done(int exitStatus);

private:
    enum class Stage { Model, Pictures, Answer, Settle, Done };

    void advance();
    void complain(const QString& what);
    void save();

    ScreenshotJob job_;
    chat::ChatController& chat_;
    QQuickWindow& window_;
    Stage stage_ = Stage::Model;
    QTimer limit_;
    QTimer settle_;
    int status_ = 0;
};

}  // namespace step3::desktop
