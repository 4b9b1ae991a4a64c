#pragma once

#include <QList>
#include <QObject>
#include <QString>
#include <QStringList>

#include <QtQml/qqmlregistration.h>

namespace step3::chat {

/// The parts a message is made of; the view has one delegate a type.
namespace blocktype {
Q_NAMESPACE
QML_NAMED_ELEMENT(BlockType)
enum Type { Text, Code, Table, Rule, Thinking, Image, Error };
Q_ENUM_NS(Type)
}  // namespace blocktype

/// One part of a message, a value. Rich text (`html`, table cells) is made by this program only: everything that came
/// from a model or a user is escaped in it, and it names no resource to load.
struct ContentBlock {
    blocktype::Type type = blocktype::Text;
    QString html;               // Text, Thinking: rich text. Table: unused
    QString plain;              // what is copied and read aloud
    QString language;           // Code: as written after the fence
    QStringList header;         // Table: rich text a cell
    QList<QStringList> rows;    // Table: rich text a cell, each as wide as `header`
    QList<int> alignments;      // Table: Qt::Alignment a column
    bool running = false;       // Thinking: still being written
    qint64 milliseconds = 0;    // Thinking: how long it took
    QString title, hint;        // Error: what failed; what to do (`plain` says why)
    QString image;              // Image: thumbnail id
    int width = 0, height = 0;  // Image: pixels of the original

    bool operator==(const ContentBlock&) const = default;
};

}  // namespace step3::chat
