#pragma once

#include <QByteArray>
#include <QImage>
#include <QObject>
#include <QString>
#include <QThreadPool>
#include <memory>
#include <optional>
#include <stop_token>

#include "engine/image/image.h"

namespace step3::chat {

class ImageStore;

/// Why something was not taken, in words for the person who dropped it.
struct Rejection {
    QString reason;
    QString hint;
};

/// A picture that was taken; `pixels` is what the model gets, undiminished.
struct TakenPicture {
    std::shared_ptr<const image::Image> pixels;
    QString thumbnail;  // id in the ImageStore
};

/// Decodes dropped, pasted and chosen pictures on its own thread, within limits that are checked before memory is
/// spent. Every take() ends in exactly one taken() or rejected() with the caller's ticket, on the thread this object
/// lives in.
class AttachmentIntake : public QObject {
    Q_OBJECT

public:
    static constexpr quint64 kMaxBytes = 64ULL << 20;
    static constexpr quint64 kMaxPixels = 80'000'000;

    explicit AttachmentIntake(ImageStore& store, QObject* parent = nullptr);
    ~AttachmentIntake() override;

    void takeFile(quint64 ticket, const QString& path);
    /// An encoded picture that has no file, e.g. dragged from a browser.
    void takeEncoded(quint64 ticket, const QByteArray& encoded);
    void takeImage(quint64 ticket, const QImage& image);

signals:
    void taken(quint64 ticket, const step3::chat::TakenPicture& picture);
    void rejected(quint64 ticket, const step3::chat::Rejection& rejection);

private:
    template <typename Decode>
    void start(quint64 ticket, const QString& source, Decode decode);

    ImageStore& store_;
    QThreadPool pool_;
    std::stop_source stop_;
};

}  // namespace step3::chat

Q_DECLARE_METATYPE(step3::chat::TakenPicture)
Q_DECLARE_METATYPE(step3::chat::Rejection)
