#pragma once

#include <QAbstractListModel>
#include <QList>

#include <QtQml/qqmlregistration.h>

#include "app/chat/content_block.h"

namespace step3::chat {

/// The blocks of one message. Replacing them touches only the rows that differ, so that a growing answer changes one
/// row a frame.
class BlockModel : public QAbstractListModel {
    Q_OBJECT
    QML_ELEMENT
    QML_UNCREATABLE("belongs to a message")

public:
    enum Role {
        TypeRole = Qt::UserRole + 1,  // blocktype::Type
        HtmlRole,                     // rich text, safe
        PlainRole,                    // for copying and reading aloud
        LanguageRole,                 // of a code block
        HeaderRole,                   // list of rich text
        RowsRole,                     // list of lists of rich text
        AlignmentsRole,               // list of Qt::Alignment
        RunningRole,                  // thinking goes on
        MillisecondsRole,             // how long thinking took
        TitleRole,                    // of an error
        HintRole,                     // of an error
        ImageRole,                    // thumbnail URL
        PixelWidthRole,               // of the original picture
        PixelHeightRole,
    };

    using QAbstractListModel::QAbstractListModel;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QHash<int, QByteArray> roleNames() const override;

    void setBlocks(const QList<ContentBlock>& blocks);
    [[nodiscard]] const QList<ContentBlock>& blocks() const { return blocks_; }

private:
    QList<ContentBlock> blocks_;
};

}  // namespace step3::chat
