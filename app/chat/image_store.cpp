#include "app/chat/image_store.h"

#include <QMutexLocker>

namespace step3::chat {

QString ImageStore::urlOf(const QString& id) {
    return QStringLiteral("image://thumbnails/") + id;
}

QString ImageStore::add(const QImage& thumbnail) {
    const QMutexLocker lock(&mutex_);
    const QString id = QString::number(++last_);
    images_.insert(id, thumbnail);
    return id;
}

void ImageStore::remove(const QString& id) {
    const QMutexLocker lock(&mutex_);
    images_.remove(id);
}

QImage ImageStore::find(const QString& id) const {
    const QMutexLocker lock(&mutex_);
    return images_.value(id);
}

int ImageStore::size() const {
    const QMutexLocker lock(&mutex_);
    return int(images_.size());
}

QImage thumbnailOf(const image::Image& image) {
    // A view of the engine's rows; scaled() or copy() makes the result independent of them.
    const QImage view(image.rgb.data(), int(image.width), int(image.height), qsizetype(image.width) * 3,
                      QImage::Format_RGB888);
    const int side = ImageStore::kThumbnailSide;
    QImage small = view;
    // Halving first keeps the smooth scaling of a very large picture cheap.
    while (small.width() > side * 4 && small.height() > side * 4) {
        small = small.scaled(small.width() / 2, small.height() / 2, Qt::IgnoreAspectRatio, Qt::FastTransformation);
    }
    if (small.width() > side || small.height() > side) {
        // A line one pixel high keeps that pixel.
        const QSize size = small.size().scaled(side, side, Qt::KeepAspectRatio).expandedTo(QSize(1, 1));
        small = small.scaled(size, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
    }
    return small.convertToFormat(QImage::Format_RGB32);
}

}  // namespace step3::chat
