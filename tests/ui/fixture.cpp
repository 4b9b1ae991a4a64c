#include "tests/ui/fixture.h"

#include <QAccessible>
#include <QClipboard>
#include <QDir>
#include <QDragEnterEvent>
#include <QDragMoveEvent>
#include <QDropEvent>
#include <QFile>
#include <QGuiApplication>
#include <QImage>
#include <QMimeData>
#include <QQmlEngine>
#include <QQuickWindow>

#include "ui/thumbnail_provider.h"

namespace step3::test {

namespace {

bool isInteractive(const QQuickItem& item) {
    if (item.inherits("QQuickAbstractButton")) return true;
    if (item.inherits("QQuickTextEdit") || item.inherits("QQuickTextInput")) return !item.property("readOnly").toBool();
    return item.activeFocusOnTab();
}

/// Calls `visit` for every item below, visible or not: what is hidden now may show later.
template <typename Visit>
void walk(QQuickItem* item, const Visit& visit) {
    visit(*item);
    for (QQuickItem* child : item->childItems()) walk(child, visit);
}

QByteArray contents(const QUrl& url) {
    QFile file(url.toLocalFile());
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

bool dropOver(QQuickItem* item, QMimeData& mime) {
    QQuickWindow* window = item->window();
    const QPoint middle(window->width() / 2, window->height() / 2);
    QDragEnterEvent enter(middle, Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QCoreApplication::sendEvent(window, &enter);
    QDragMoveEvent move(middle, Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QCoreApplication::sendEvent(window, &move);
    QDropEvent event(middle, Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QCoreApplication::sendEvent(window, &event);
    return event.isAccepted();
}

}  // namespace

Fixture::Fixture(QObject* parent) : QObject(parent) {
    QAccessible::setActive(true);
}

Fixture::~Fixture() {
    for (const QString& file : std::as_const(temporary_)) QFile::remove(file);
}

chat::ChatController* Fixture::newChat(bool open) {
    engine_->removeImageProvider(QStringLiteral("thumbnails"));
    chat_.reset();
    backend_ = std::make_unique<FakeBackend>();
    chat_ = std::make_unique<chat::ChatController>(*backend_, QStringLiteral("/models/shipped"));
    QQmlEngine::setObjectOwnership(chat_.get(), QQmlEngine::CppOwnership);
    engine_->addImageProvider(QStringLiteral("thumbnails"), new ui::ThumbnailProvider(chat_->images()));
    if (open) openShipped();
    return chat_.get();
}

void Fixture::openShipped() {
    openFolder(QStringLiteral("/models/shipped"));
}

void Fixture::openFolder(const QString& folder) {
    chat_->openFolder(folder);
    backend_->finishOpening();
}

QString Fixture::shippedFolder() const {
    return QStringLiteral(STEP3_SOURCE_DIR "/resources/models/step3-mini");
}

void Fixture::failOpening(const QString& message) {
    emit backend_->openFailed({ErrorCode::kInvalidData, message});
}
void Fixture::think(const QString& text) {
    backend_->think(text);
}
void Fixture::write(const QString& text) {
    backend_->write(text);
}
void Fixture::finish() {
    backend_->finish();
}
void Fixture::finishStopped() {
    backend_->finish(FinishReason::kCancelled);
}
void Fixture::failWithOverflow() {
    backend_->fail(ErrorCode::kResourceExhausted, QStringLiteral("prompt: expected at most 4096 tokens, found 5000"));
}
int Fixture::sentCount() const {
    return int(backend_->sent.size());
}
QString Fixture::lastQuestion() const {
    return backend_->sent.isEmpty() ? QString() : backend_->sent.last().request.turns.back().text;
}
int Fixture::lastPictureCount() const {
    return backend_->sent.isEmpty() ? 0 : int(backend_->sent.last().request.turns.back().pictures.size());
}
int Fixture::cancelledCount() const {
    return int(backend_->cancelled.size());
}
QString Fixture::clipboard() const {
    return QGuiApplication::clipboard()->text();
}

QUrl Fixture::golden(const QString& name) const {
    return QUrl::fromLocalFile(QStringLiteral(STEP3_TEST_DATA "/golden/images/") + name);
}

QUrl Fixture::badPicture() {
    const QString path =
        QDir::temp().filePath(QStringLiteral("step3-ui-test-%1.png").arg(QCoreApplication::applicationPid()));
    QFile file(path);
    if (file.open(QIODevice::WriteOnly)) file.write("no picture");
    temporary_ += path;
    return QUrl::fromLocalFile(path);
}

bool Fixture::drop(QQuickItem* item, const QList<QUrl>& urls) {
    QMimeData mime;
    mime.setUrls(urls);
    return dropOver(item, mime);
}

bool Fixture::dropEncoded(QQuickItem* item, const QString& type, const QString& name) {
    QMimeData mime;
    mime.setData(type, contents(golden(name)));
    return dropOver(item, mime);
}

void Fixture::copyPicture() {
    QImage image(20, 10, QImage::Format_RGB32);
    image.fill(Qt::red);
    QGuiApplication::clipboard()->setImage(image);
}

void Fixture::copyEncoded(const QString& type, const QString& name) {
    auto* mime = new QMimeData;  // the clipboard owns it
    mime->setData(type, contents(golden(name)));
    QGuiApplication::clipboard()->setMimeData(mime);
}

QStringList Fixture::unnamed(QQuickItem* root) const {
    QStringList result;
    walk(root, [&](QQuickItem& item) {
        if (!isInteractive(item) || !accessibleName(&item).isEmpty()) return;
        QStringList path;
        for (QQuickItem* up = &item; up != nullptr; up = up->parentItem()) {
            path.prepend(QString::fromLatin1(up->metaObject()->className()).section(QLatin1Char('_'), 0, 0));
        }
        result += path.join(QLatin1Char('/'));
    });
    return result;
}

int Fixture::interactiveCount(QQuickItem* root) const {
    int count = 0;
    walk(root, [&](QQuickItem& item) { count += isInteractive(item) ? 1 : 0; });
    return count;
}

QString Fixture::accessibleName(QObject* item) const {
    QAccessibleInterface* accessible = QAccessible::queryAccessibleInterface(item);
    return accessible == nullptr ? QString() : accessible->text(QAccessible::Name);
}

QQuickItem* Fixture::find(QQuickItem* root, const QString& objectName) const {
    QQuickItem* found = nullptr;
    walk(root, [&](QQuickItem& item) {
        if (found == nullptr && item.objectName() == objectName) found = &item;
    });
    return found;
}

}  // namespace step3::test
