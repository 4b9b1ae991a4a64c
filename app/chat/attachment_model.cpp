#include "app/chat/attachment_model.h"

#include <algorithm>

#include "app/chat/image_store.h"

namespace step3::chat {

AttachmentModel::AttachmentModel(ImageStore& store, QObject* parent)
    : QAbstractListModel(parent), store_(store), intake_(store) {
    connect(&intake_, &AttachmentIntake::taken, this,
            [this](quint64 ticket, const TakenPicture& picture) { finish(ticket, &picture, {}); });
    connect(&intake_, &AttachmentIntake::rejected, this,
            [this](quint64 ticket, const Rejection& rejection) { finish(ticket, nullptr, rejection); });
}

AttachmentModel::~AttachmentModel() = default;

int AttachmentModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : count();
}

QVariant AttachmentModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid)) return {};
    const Item& item = items_.at(index.row());
    switch (role) {
        case StateRole: return QVariant::fromValue(item.state);
        case Qt::DisplayRole:
        case NameRole: return item.picture.name;
        case DetailRole:
            if (item.state == State::Rejected) return item.rejection.reason;
            if (item.state == State::Loading) return tr("Reading…");
            return tr("%1 × %2 pixels").arg(item.picture.pixels->width).arg(item.picture.pixels->height);
        case HintRole: return item.rejection.hint;
        case ImageRole: return item.state == State::Ready ? ImageStore::urlOf(item.picture.thumbnail) : QString();
        default: return {};
    }
}

QHash<int, QByteArray> AttachmentModel::roleNames() const {
    return {{StateRole, "attachmentState"},
            {NameRole, "name"},
            {DetailRole, "detail"},
            {HintRole, "hint"},
            {ImageRole, "image"}};
}

int AttachmentModel::readyCount() const {
    return int(
        std::count_if(items_.begin(), items_.end(), [](const Item& item) { return item.state == State::Ready; }));
}

bool AttachmentModel::busy() const {
    return std::any_of(items_.begin(), items_.end(), [](const Item& item) { return item.state == State::Loading; });
}

quint64 AttachmentModel::append(const QString& name) {
    const auto taken =
        std::count_if(items_.begin(), items_.end(), [](const Item& item) { return item.state != State::Rejected; });
    if (taken >= kMaxPictures) return 0;
    beginInsertRows({}, count(), count());
    Item item;
    item.ticket = ++lastTicket_;
    item.picture.name = name;
    items_.append(item);
    endInsertRows();
    emit changed();
    return item.ticket;
}

void AttachmentModel::reject(const QString& name, const Rejection& rejection) {
    beginInsertRows({}, count(), count());
    Item item;
    item.ticket = ++lastTicket_;
    item.state = State::Rejected;
    item.picture.name = name;
    item.rejection = rejection;
    items_.append(item);
    endInsertRows();
    emit changed();
}

void AttachmentModel::addUrls(const QList<QUrl>& urls) {
    int left = 0;
    int foreign = 0;
    for (const QUrl& url : urls) {
        if (!url.isLocalFile()) {
            ++foreign;
            continue;
        }
        const QString path = url.toLocalFile();
        const QString name = url.fileName().isEmpty() ? path : url.fileName();
        if (const quint64 ticket = append(name); ticket != 0) {
            intake_.takeFile(ticket, path);
        } else {
            ++left;
        }
    }
    if (foreign > 0) {
        reject(tr("Web address"), {tr("This is an address on the web; nothing is fetched from there.", nullptr),
                                   tr("Save the picture as a file first and drop that.")});
    }
    if (left > 0) {
        reject(tr("%n more picture(s)", nullptr, left), {tr("A question takes up to %1 pictures.").arg(kMaxPictures),
                                                         tr("Ask about the rest in the next question.")});
    }
}

void AttachmentModel::addEncoded(const QByteArray& encoded, const QString& name) {
    if (const quint64 ticket = append(name); ticket != 0) intake_.takeEncoded(ticket, encoded);
}

void AttachmentModel::addImage(const QImage& image, const QString& name) {
    if (const quint64 ticket = append(name); ticket != 0) intake_.takeImage(ticket, image);
}

void AttachmentModel::removeAt(int row) {
    if (row < 0 || row >= count()) return;
    beginRemoveRows({}, row, row);
    const Item item = items_.takeAt(row);
    endRemoveRows();
    if (!item.picture.thumbnail.isEmpty()) store_.remove(item.picture.thumbnail);
    emit changed();
}

QList<AttachedPicture> AttachmentModel::takeReady() {
    QList<AttachedPicture> ready;
    beginResetModel();
    for (const Item& item : std::as_const(items_)) {
        if (item.state == State::Ready) ready.append(item.picture);
    }
    items_.clear();
    endResetModel();
    emit changed();
    return ready;
}

void AttachmentModel::finish(quint64 ticket, const TakenPicture* picture, const Rejection& rejection) {
    const auto item =
        std::find_if(items_.begin(), items_.end(), [ticket](const Item& one) { return one.ticket == ticket; });
    if (item == items_.end()) {  // removed while it was being read
        if (picture != nullptr) store_.remove(picture->thumbnail);
        return;
    }
    if (picture != nullptr) {
        item->state = State::Ready;
        item->picture.pixels = picture->pixels;
        item->picture.thumbnail = picture->thumbnail;
    } else {
        item->state = State::Rejected;
        item->rejection = rejection;
    }
    const QModelIndex changedRow = index(int(item - items_.begin()));
    emit dataChanged(changedRow, changedRow);
    emit changed();
}

}  // namespace step3::chat
