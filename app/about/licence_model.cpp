#include "app/about/licence_model.h"

#include <QFile>
#include <QStringList>

namespace step3::about {

namespace {

QString readResource(const QString& name) {
    QFile file(QStringLiteral(":/step3/licences/") + name);
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

}  // namespace

LicenceModel::LicenceModel(QObject* parent) : QAbstractListModel(parent) {
    const QStringList lines = readResource(QStringLiteral("index.tsv")).split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    for (const QString& line : lines) {
        const QStringList parts = line.split(QLatin1Char('\t'));
        if (parts.size() == 3) entries_.append({parts[0], parts[1], parts[2]});
    }
}

int LicenceModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(entries_.size());
}

QVariant LicenceModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
    const Entry& entry = entries_[index.row()];
    switch (role) {
        case NameRole: return entry.name;
        case LicenceRole: return entry.licence;
        default: return {};
    }
}

QHash<int, QByteArray> LicenceModel::roleNames() const {
    return {{NameRole, "name"}, {LicenceRole, "licence"}};
}

QString LicenceModel::version() {
    return QStringLiteral(STEP3_VERSION);
}

QString LicenceModel::text(int row) const {
    return row >= 0 && row < entries_.size() ? readResource(entries_[row].file) : QString();
}

}  // namespace step3::about
