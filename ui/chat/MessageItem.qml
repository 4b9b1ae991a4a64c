import QtQuick
import Step3.Chat
import Step3.Ui

/// One question or answer: its blocks, and for an answer what can be done with it.
Item {
    id: message

    required property ChatController chat
    required property int phase
    required property BlockModel blocks
    required property string text
    required property bool isLast
    required property real ttftMs
    required property real tpotMs
    required property int tokens
    readonly property bool question: phase === MessageModel.Question
    readonly property bool finished: phase >= MessageModel.Done
    readonly property real column: Math.min(width - 32, Theme.columnWidth)
    readonly property real inset: question ? 14 : 0

    signal linkRequested(string target)

    implicitHeight: bubble.height + (footer.visible ? footer.height + 2 : 0) + 20

    Accessible.role: Accessible.ListItem
    Accessible.name: question ? qsTr("You: %1").arg(text) : qsTr("Answer: %1").arg(text)

    Rectangle {
        id: bubble

        x: message.question ? (message.width + message.column) / 2 - width : (message.width - message.column) / 2
        width: message.question ? Math.max(pictures.childrenRect.width, words.childrenRect.width) + 2 * message.inset : message.column
        height: Math.max(content.childrenRect.height + (message.question ? 2 * message.inset - 8 : 0), waiting.visible ? 28 : 0)
        radius: 14
        color: message.question ? Theme.question : "transparent"

        Column {
            id: content

            readonly property real room: message.question ? Math.min(message.column * 0.86, 640) - 2 * message.inset : message.column

            x: message.inset
            y: message.question ? message.inset - 2 : 0
            spacing: 8

            // The pictures of a question side by side, its words below.
            Flow {
                id: pictures

                width: content.room
                spacing: 8
                visible: message.question && childrenRect.height > 0

                Repeater {
                    model: message.question ? message.blocks : null

                    BlockItem {
                        active: type === BlockType.Image
                        visible: active
                        chat: message.chat
                    }
                }
            }
            Column {
                id: words

                spacing: 8

                Repeater {
                    model: message.blocks

                    BlockItem {
                        active: type !== BlockType.Image
                        visible: active
                        chat: message.chat
                        question: message.question
                        room: content.room
                        canRetry: message.isLast && message.chat.canRegenerate
                        onLinkRequested: target => message.linkRequested(target)
                    }
                }
            }
        }

        WaitingDots {
            id: waiting

            visible: message.phase === MessageModel.Reading
            y: 6
        }
    }

    Row {
        id: footer

        visible: !message.question && message.finished
        x: bubble.x - 8
        y: bubble.height + 2
        spacing: 2

        IconButton {
            id: copy

            property bool copied: false

            visible: message.text.length > 0
            symbolSize: 18
            symbol: copied ? "check" : "copy"
            name: copied ? qsTr("Copied") : qsTr("Copy this answer")
            shortcut: message.isLast ? "Ctrl+Shift+C" : ""
            onClicked: {
                message.chat.copyText(message.text.trim());
                copied = true;
                copiedTimer.restart();
            }

            Timer {
                id: copiedTimer

                interval: 1500
                onTriggered: copy.copied = false
            }
        }
        IconButton {
            visible: message.isLast && message.phase !== MessageModel.Failed
            enabled: message.chat.canRegenerate
            symbolSize: 18
            symbol: "regenerate"
            name: qsTr("Answer again, in other words")
            shortcut: "Ctrl+R"
            onClicked: message.chat.regenerate()
        }
        Text {
            anchors.verticalCenter: parent.verticalCenter
            leftPadding: 6
            visible: text.length > 0
            text: message.phase === MessageModel.Stopped ? qsTr("Stopped") : message.phase === MessageModel.Cut ? qsTr(
                                                                                 "Cut off: the model's context is full") : ""
            font.pixelSize: Theme.smallSize
            color: Theme.muted
        }
    }
}
