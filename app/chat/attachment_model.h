#pragma once

#include <QAbstractListModel>
#include <QList>
#include <QUrl>
#include <memory>

#include <QtQml/qqmlregistration.h>

#include "app/chat/attachment_intake.h"

class QMimeData;

namespace step3::chat {

class ImageStore;

/// A picture attached to the question being written or to one already asked.
struct AttachedPicture {
    std::shared_ptr<const image::Image> pixels;
    QString thumbnail;  // id in the ImageStore
    QString name;
};

/// The pictures of the question being written, in order; what could not be taken stays as a row that says why.
class AttachmentModel : public QAbstractListModel {
    Q_OBJECT
    QML_ELEMENT
    QML_UNCREATABLE("belongs to the chat")
    Q_PROPERTY(int count READ count NOTIFY changed)
    Q_PROPERTY(int readyCount READ readyCount NOTIFY changed)
    Q_PROPERTY(bool busy READ busy NOTIFY changed)

public:
    enum class State { Loading, Ready, Rejected };
    Q_ENUM(State)

    enum Role {
        StateRole = Qt::UserRole + 1,  // State
        NameRole,                      // file name
        DetailRole,                    // size in pixels, or why it was rejected
        HintRole,                      // what to do about a rejection
        ImageRole,                     // thumbnail URL, empty unless ready
    };

    /// More pictures than this in one question are rejected: each costs hundreds of tokens of the context.
    static constexpr int kMaxPictures = 32;

    explicit AttachmentModel(ImageStore& store, QObject* parent = nullptr);
    ~AttachmentModel() override;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QHash<int, QByteArray> roleNames() const override;

    [[nodiscard]] int count() const { return int(items_.size()); }
    [[nodiscard]] int readyCount() const;
    [[nodiscard]] bool busy() const;

    void addUrls(const QList<QUrl>& urls);
    void addEncoded(const QByteArray& encoded, const QString& name);
    void addImage(const QImage& image, const QString& name);
    Q_INVOKABLE void removeAt(int row);
    /// Hands over the pictures that are ready and empties the list.
    [[nodiscard]] QList<AttachedPicture> takeReady();

signals:
    void changed();

private:
    struct Item {
        quint64 ticket = 0;
        State state = State::Loading;
        AttachedPicture picture;
        Rejection rejection;
    };

    /// Appends a row; 0 if there are too many, which one row at the end then says.
    quint64 append(const QString& name);
    void reject(const QString& name, const Rejection& rejection);
    void finish(quint64 ticket, const TakenPicture* picture, const Rejection& rejection);

    ImageStore& store_;
    AttachmentIntake intake_;
    QList<Item> items_;
    quint64 lastTicket_ = 0;
};

}  // namespace step3::chat
