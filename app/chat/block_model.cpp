#include "app/chat/block_model.h"

#include <algorithm>

#include "app/chat/image_store.h"

namespace step3::chat {

int BlockModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(blocks_.size());
}

QVariant BlockModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid)) return {};
    const ContentBlock& block = blocks_.at(index.row());
    switch (role) {
        case TypeRole: return block.type;
        case HtmlRole: return block.html;
        case Qt::DisplayRole:
        case PlainRole: return block.plain;
        case LanguageRole: return block.language;
        case HeaderRole: return block.header;
        case RowsRole: {
            QVariantList rows;
            rows.reserve(block.rows.size());
            for (const QStringList& row : block.rows) rows.append(QVariant(row));
            return rows;
        }
        case AlignmentsRole: return QVariant::fromValue(block.alignments);
        case RunningRole: return block.running;
        case MillisecondsRole: return block.milliseconds;
        case TitleRole: return block.title;
        case HintRole: return block.hint;
        case ImageRole: return block.image.isEmpty() ? QString() : ImageStore::urlOf(block.image);
        case PixelWidthRole: return block.width;
        case PixelHeightRole: return block.height;
        default: return {};
    }
}

QHash<int, QByteArray> BlockModel::roleNames() const {
    return {{TypeRole, "type"},
            {HtmlRole, "html"},
            {PlainRole, "plain"},
            {LanguageRole, "language"},
            {HeaderRole, "header"},
            {RowsRole, "rows"},
            {AlignmentsRole, "alignments"},
            {RunningRole, "running"},
            {MillisecondsRole, "milliseconds"},
            {TitleRole, "title"},
            {HintRole, "hint"},
            {ImageRole, "image"},
            {PixelWidthRole, "pixelWidth"},
            {PixelHeightRole, "pixelHeight"}};
}

void BlockModel::setBlocks(const QList<ContentBlock>& blocks) {
    const qsizetype common = std::min(blocks_.size(), blocks.size());
    for (qsizetype i = 0; i < common; ++i) {
        if (blocks_.at(i) == blocks.at(i)) continue;
        blocks_[i] = blocks.at(i);
        emit dataChanged(index(int(i)), index(int(i)));
    }
    if (blocks_.size() > common) {
        beginRemoveRows({}, int(common), int(blocks_.size()) - 1);
        blocks_.resize(common);
        endRemoveRows();
    }
    if (blocks.size() > common) {
        beginInsertRows({}, int(common), int(blocks.size()) - 1);
        blocks_.append(blocks.mid(common));
        endInsertRows();
    }
}

}  // namespace step3::chat
