#include "ui/thumbnail_provider.h"

#include "app/chat/image_store.h"

namespace step3::ui {

ThumbnailProvider::ThumbnailProvider(const chat::ImageStore& store)
    : QQuickImageProvider(QQuickImageProvider::Image), store_(store) {}

QImage ThumbnailProvider::requestImage(const QString& id, QSize* size, const QSize& requestedSize) {
    const QImage image = store_.find(id);
    if (size != nullptr) *size = image.size();
    if (image.isNull() || !requestedSize.isValid() || requestedSize.isEmpty()) return image;
    const QSize wanted = image.size().scaled(requestedSize, Qt::KeepAspectRatio).expandedTo(QSize(1, 1));
    return wanted.width() < image.width() ? image.scaled(wanted, Qt::IgnoreAspectRatio, Qt::SmoothTransformation)
                                          : image;
}

}  // namespace step3::ui
