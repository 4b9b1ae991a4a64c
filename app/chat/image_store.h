#pragma once

#include <QHash>
#include <QImage>
#include <QMutex>
#include <QString>

#include "engine/image/image.h"

namespace step3::chat {

/// Thumbnails by id, shared between the models that name them and the image provider that draws them (on another
/// thread).
class ImageStore {
public:
    /// Longest side of a thumbnail: sharp at 240 logical pixels on a display with twice the density.
    static constexpr int kThumbnailSide = 512;

    /// The URL under which QML sees an id.
    [[nodiscard]] static QString urlOf(const QString& id);

    QString add(const QImage& thumbnail);
    void remove(const QString& id);
    [[nodiscard]] QImage find(const QString& id) const;
    [[nodiscard]] int size() const;

private:
    mutable QMutex mutex_;
    QHash<QString, QImage> images_;
    quint64 last_ = 0;
};

/// A copy of `image` no larger than ImageStore::kThumbnailSide; called on the decoding thread.
[[nodiscard]] QImage thumbnailOf(const image::Image& image);

}  // namespace step3::chat
