#include "app/chat/attachment_intake.h"

#include <QColorSpace>
#include <QFileInfo>
#include <cstring>
#include <new>
#include <variant>

#include "app/chat/image_store.h"
#include "engine/error.h"

namespace step3::chat {

namespace {

using Outcome = std::variant<image::Image, Rejection>;

image::DecodeLimits limits() {
    image::DecodeLimits result;
    result.maxBytes = AttachmentIntake::kMaxBytes;
    result.maxPixels = AttachmentIntake::kMaxPixels;
    return result;
}

// What the engine's messages call pictures that are not files.
const QString kDropped = QStringLiteral("dropped picture");
const QString kClipboard = QStringLiteral("clipboard");

/// Tells what can be told without reading, so that a pipe or a device is never opened.
std::optional<Rejection> refuse(const QFileInfo& file) {
    if (!file.exists()) {
        return Rejection{AttachmentIntake::tr("The file does not exist any more."),
                         AttachmentIntake::tr("Check where it was moved to and drop it again.")};
    }
    if (file.isDir()) {
        return Rejection{
            AttachmentIntake::tr("This is a folder, not a picture."),
            AttachmentIntake::tr("Drop the pictures inside it. A folder with a model is opened with Ctrl+O.")};
    }
    if (!file.isFile()) {
        return Rejection{AttachmentIntake::tr("This is not an ordinary file."),
                         AttachmentIntake::tr("Save the picture as a file and drop that.")};
    }
    if (!file.isReadable()) {
        return Rejection{AttachmentIntake::tr("You have no permission to read this file."),
                         AttachmentIntake::tr("Change its permissions or copy it to your own folder.")};
    }
    if (file.size() == 0) {
        return Rejection{AttachmentIntake::tr("The file is empty."),
                         AttachmentIntake::tr("Save or download the picture again.")};
    }
    if (quint64(file.size()) > AttachmentIntake::kMaxBytes) {
        return Rejection{AttachmentIntake::tr("The file is larger than %1 MB.").arg(AttachmentIntake::kMaxBytes >> 20),
                         AttachmentIntake::tr("Save a smaller copy and drop that.")};
    }
    return std::nullopt;
}

/// The engine's message begins with the source ("cat.png: expected ..."); the window names that beside the reason.
Rejection rejectionFor(const Error& error, const QString& source) {
    QString what = QString::fromStdString(error.what());
    if (what.startsWith(source + QStringLiteral(": "))) what.remove(0, source.size() + 2);
    switch (error.code()) {
        case ErrorCode::kResourceExhausted:
        case ErrorCode::kInvalidArgument:
            return {what,
                    AttachmentIntake::tr("Pictures may have up to %1 megapixels: save a smaller copy and drop that.")
                        .arg(AttachmentIntake::kMaxPixels / 1'000'000)};
        case ErrorCode::kNotFound:
        case ErrorCode::kIo:
            return {what, AttachmentIntake::tr("Check that the file can be opened and drop it again.")};
        default: return {what, AttachmentIntake::tr("Not a picture that can be read. Use PNG, JPEG or WebP.")};
    }
}

/// A picture from the clipboard in the engine's form: RGB, transparent parts over white.
image::Image fromQImage(QImage source) {
    if (quint64(source.width()) * quint64(source.height()) > AttachmentIntake::kMaxPixels) {
        throw Error(ErrorCode::kResourceExhausted,
                    kClipboard.toStdString() + ": expected at most " + std::to_string(AttachmentIntake::kMaxPixels) +
                        " pixels, found " + std::to_string(source.width()) + " x " + std::to_string(source.height()));
    }
    if (source.colorSpace().isValid()) source.convertToColorSpace(QColorSpace::SRgb);
    if (source.hasAlphaChannel()) {
        QImage opaque = source.convertToFormat(QImage::Format_RGBA8888);
        for (int y = 0; y < opaque.height(); ++y) {
            uchar* row = opaque.scanLine(y);
            for (int x = 0; x < opaque.width(); ++x) {
                uchar* pixel = row + qsizetype(x) * 4;
                for (int c = 0; c < 3; ++c)
                    pixel[c] = uchar((pixel[c] * pixel[3] + 255 * (255 - pixel[3]) + 127) / 255);
                pixel[3] = 255;
            }
        }
        source = opaque;
    }
    source = source.convertToFormat(QImage::Format_RGB888);
    image::Image result;
    result.width = source.width();
    result.height = source.height();
    const auto rowBytes = std::size_t(result.width) * 3;
    result.rgb.resize(rowBytes * std::size_t(result.height));
    for (int y = 0; y < source.height(); ++y) {
        std::memcpy(result.rgb.data() + std::size_t(y) * rowBytes, source.constScanLine(y), rowBytes);
    }
    return result;
}

}  // namespace

AttachmentIntake::AttachmentIntake(ImageStore& store, QObject* parent) : QObject(parent), store_(store) {
    // One at a time: two large pictures at once would only compete for memory.
    pool_.setMaxThreadCount(1);
}

AttachmentIntake::~AttachmentIntake() {
    stop_.request_stop();
    pool_.clear();
    pool_.waitForDone();
}

template <typename Decode>
void AttachmentIntake::start(quint64 ticket, const QString& source, Decode decode) {
    pool_.start([this, ticket, source, decode = std::move(decode), stop = stop_.get_token()] {
        if (stop.stop_requested()) return;
        Rejection rejection;
        try {
            Outcome outcome = decode();
            if (auto* picture = std::get_if<image::Image>(&outcome)) {
                TakenPicture result;
                result.thumbnail = store_.add(thumbnailOf(*picture));
                result.pixels = std::make_shared<const image::Image>(std::move(*picture));
                QMetaObject::invokeMethod(
                    this, [this, ticket, result] { emit taken(ticket, result); }, Qt::QueuedConnection);
                return;
            }
            rejection = std::get<Rejection>(outcome);
        } catch (const Error& error) {
            rejection = rejectionFor(error, source);
        } catch (const std::bad_alloc&) {
            rejection = {tr("There is not enough memory for this picture."), tr("Save a smaller copy and drop that.")};
        } catch (const std::exception& error) {
            rejection = {QString::fromUtf8(error.what()), tr("Not a picture that can be read. Use PNG, JPEG or WebP.")};
        }
        QMetaObject::invokeMethod(
            this, [this, ticket, rejection] { emit rejected(ticket, rejection); }, Qt::QueuedConnection);
    });
}

void AttachmentIntake::takeFile(quint64 ticket, const QString& path) {
    start(ticket, path, [path]() -> Outcome {
        // Looking at a file can block too (a network folder), so it happens here.
        if (auto refused = refuse(QFileInfo(path))) return *refused;
        return image::loadImage(std::filesystem::path(path.toStdU16String()), limits());
    });
}

void AttachmentIntake::takeEncoded(quint64 ticket, const QByteArray& encoded) {
    start(ticket, kDropped, [encoded]() -> Outcome {
        return image::decodeImage(std::as_bytes(std::span(encoded.constData(), std::size_t(encoded.size()))),
                                  kDropped.toStdString(), limits());
    });
}

void AttachmentIntake::takeImage(quint64 ticket, const QImage& image) {
    start(ticket, kClipboard, [image]() -> Outcome { return fromQImage(image); });
}

}  // namespace step3::chat
