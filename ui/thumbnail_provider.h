#pragma once

#include <QQuickImageProvider>

namespace step3::chat {
class ImageStore;
}

namespace step3::ui {

/// Gives QML the thumbnails of an ImageStore under image://thumbnails/ID; called on Qt Quick's image loading thread.
/// The store outlives the QML engine.
class ThumbnailProvider : public QQuickImageProvider {
public:
    explicit ThumbnailProvider(const chat::ImageStore& store);
    QImage requestImage(const QString& id, QSize* size, const QSize& requestedSize) override;

private:
    const chat::ImageStore& store_;
};

}  // namespace step3::ui
