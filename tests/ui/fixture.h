#pragma once

#include <QObject>
#include <QQuickItem>
#include <QStringList>
#include <QUrl>
#include <memory>

#include "app/chat/chat_controller.h"
#include "tests/app/fake_backend.h"

class QQmlEngine;

namespace step3::test {

/// What QML tests need from C++: a chat whose backend the test plays, drops from outside, and a look at the
/// accessibility tree.
class Fixture : public QObject {
    Q_OBJECT

public:
    explicit Fixture(QObject* parent = nullptr);
    ~Fixture() override;

    /// The engine that will show the conversations.
    void setEngine(QQmlEngine* engine) { engine_ = engine; }
    /// A new conversation; the one before must not be shown any more. With a model unless `open` is false.
    Q_INVOKABLE step3::chat::ChatController* newChat(bool open = true);
    Q_INVOKABLE void openShipped();
    /// Opens a folder as the backend would, whatever is in it.
    Q_INVOKABLE void openFolder(const QString& folder);
    /// The folder of step3-mini in the source tree.
    [[nodiscard]] Q_INVOKABLE QString shippedFolder() const;
    Q_INVOKABLE void failOpening(const QString& message);
    Q_INVOKABLE void think(const QString& text);
    Q_INVOKABLE void write(const QString& text);
    Q_INVOKABLE void finish();
    Q_INVOKABLE void finishStopped();
    Q_INVOKABLE void failWithOverflow();
    [[nodiscard]] Q_INVOKABLE int sentCount() const;
    [[nodiscard]] Q_INVOKABLE QString lastQuestion() const;
    [[nodiscard]] Q_INVOKABLE int lastPictureCount() const;
    [[nodiscard]] Q_INVOKABLE int cancelledCount() const;
    [[nodiscard]] Q_INVOKABLE QString clipboard() const;

    [[nodiscard]] Q_INVOKABLE QUrl golden(const QString& name) const;
    [[nodiscard]] Q_INVOKABLE QUrl badPicture();
    /// Drags files over the middle of the item's window and drops them; whether the drop was accepted.
    Q_INVOKABLE bool drop(QQuickItem* item, const QList<QUrl>& urls);
    /// The same with the encoded bytes of a golden picture, as dragged from another program.
    Q_INVOKABLE bool dropEncoded(QQuickItem* item, const QString& type, const QString& name);
    Q_INVOKABLE void copyPicture();
    /// Puts the encoded bytes of a golden picture, and nothing else, on the clipboard.
    Q_INVOKABLE void copyEncoded(const QString& type, const QString& name);

    /// Interactive items below `root` that a screen reader could not name, as "Type at path".
    [[nodiscard]] Q_INVOKABLE QStringList unnamed(QQuickItem* root) const;
    [[nodiscard]] Q_INVOKABLE int interactiveCount(QQuickItem* root) const;
    [[nodiscard]] Q_INVOKABLE QString accessibleName(QObject* item) const;
    /// Looks through items (findChild() of QML sees QObject children only).
    [[nodiscard]] Q_INVOKABLE QQuickItem* find(QQuickItem* root, const QString& objectName) const;

private:
    std::unique_ptr<FakeBackend> backend_;
    std::unique_ptr<chat::ChatController> chat_;
    QQmlEngine* engine_ = nullptr;
    QStringList temporary_;
};

}  // namespace step3::test
