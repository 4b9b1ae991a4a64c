#pragma once

#include <QAbstractListModel>
#include <QList>
#include <QString>

#include <QtQml/qqmlregistration.h>

namespace step3::about {

/// The program itself and the libraries it is built from, each with the name of its licence. The texts are the
/// copyright files of the packages the program was built from; they lie in the program.
class LicenceModel : public QAbstractListModel {
    Q_OBJECT
    QML_ELEMENT
    Q_PROPERTY(QString version READ version CONSTANT)

public:
    enum Role { NameRole = Qt::UserRole + 1, LicenceRole };

    explicit LicenceModel(QObject* parent = nullptr);

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QHash<int, QByteArray> roleNames() const override;

    [[nodiscard]] static QString version();
    /// The whole text of a row's licence; empty if its package brought none or there is no such row.
    [[nodiscard]] Q_INVOKABLE QString text(int row) const;

private:
    struct Entry {
        QString name;
        QString licence;
        QString file;
    };
    QList<Entry> entries_;
};

}  // namespace step3::about
