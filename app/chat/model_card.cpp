#include "app/chat/model_card.h"

#include <QDir>
#include <QFile>
#include <QStringDecoder>

namespace step3::chat {

namespace {

constexpr qint64 kLongestCard = 256 * 1024;

QString withoutMetadata(const QString& markdown) {
    if (!markdown.startsWith(QLatin1String("---\n"))) return markdown;
    const qsizetype end = markdown.indexOf(QLatin1String("\n---\n"), 3);
    return end < 0 ? markdown : markdown.mid(end + 5).trimmed();
}

}  // namespace

QString readModelCard(const QString& folder) {
    QFile file(QDir(folder).filePath(QStringLiteral("README.md")));
    if (!file.open(QIODevice::ReadOnly)) return {};
    const QByteArray bytes = file.read(kLongestCard + 1);
    if (bytes.size() > kLongestCard) return {};
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
    QString text = decoder(bytes);
    if (decoder.hasError()) return {};
    text.replace(QLatin1String("\r\n"), QLatin1String("\n"));
    return withoutMetadata(text);
}

}  // namespace step3::chat
