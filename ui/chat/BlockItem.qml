import QtQuick
import Step3.Chat
import Step3.Ui

/// One block of a message, drawn by the delegate of its type.
Loader {
    id: block

    required property var model
    property ChatController chat
    property bool question: false
    property bool canRetry: false
    property real room: 0
    readonly property int type: model.type

    signal linkRequested(string target)

    // A question is as wide as its words, an answer as wide as the column.
    width: type === BlockType.Image ? implicitWidth : question ? Math.min(measure.implicitWidth + 4, room) : room
    sourceComponent: switch (type) {
    case BlockType.Text:
        return textBlock;
    case BlockType.Code:
        return codeBlock;
    case BlockType.Table:
        return tableBlock;
    case BlockType.Rule:
        return ruleBlock;
    case BlockType.Thinking:
        return thinkingBlock;
    case BlockType.Image:
        return imageBlock;
    default:
        return errorBlock;
    }

    Text {
        id: measure

        visible: false
        text: block.question && block.type === BlockType.Text ? block.model.plain : ""
        textFormat: Text.PlainText
        font.pixelSize: Theme.fontSize
        Accessible.ignored: true
    }
    Component {
        id: textBlock

        TextBlock {
            html: block.model.html
            plain: block.model.plain
            onLinkRequested: target => block.linkRequested(target)
        }
    }
    Component {
        id: codeBlock

        CodeBlock {
            code: block.model.plain
            language: block.model.language
            onCopyRequested: text => block.chat.copyText(text)
        }
    }
    Component {
        id: tableBlock

        TableBlock {
            header: block.model.header
            rows: block.model.rows
            alignments: block.model.alignments
            plain: block.model.plain
            onLinkRequested: target => block.linkRequested(target)
        }
    }
    Component {
        id: ruleBlock

        Item {
            implicitHeight: 9

            Rectangle {
                y: 4
                width: parent.width
                height: 1
                color: Theme.border
            }
        }
    }
    Component {
        id: thinkingBlock

        ThinkingBlock {
            html: block.model.html
            plain: block.model.plain
            running: block.model.running
            milliseconds: block.model.milliseconds
        }
    }
    Component {
        id: imageBlock

        ImageBlock {
            source: block.model.image
            name: block.model.plain
            pixelWidth: block.model.pixelWidth
            pixelHeight: block.model.pixelHeight
        }
    }
    Component {
        id: errorBlock

        ErrorBlock {
            title: block.model.title
            reason: block.model.plain
            hint: block.model.hint
            canRetry: block.canRetry
            onRetryRequested: block.chat.regenerate()
        }
    }
}
