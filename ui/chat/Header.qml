import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import Step3.Chat
import Step3.Ui

/// Which model answers, and what can be done with the whole conversation.
Rectangle {
    id: header

    required property ChatController chat

    signal openRequested
    signal aboutRequested

    implicitHeight: 48
    color: Theme.window

    Rectangle {
        anchors.bottom: parent.bottom
        width: parent.width
        height: 1
        color: Theme.border
    }

    RowLayout {
        anchors.fill: parent
        anchors.leftMargin: 10
        anchors.rightMargin: 10
        spacing: 2

        TextButton {
            id: modelButton

            Layout.maximumWidth: header.width - 170
            objectName: "modelButton"
            quiet: true
            symbol: "down"
            LayoutMirroring.enabled: true
            text: header.chat.hasModel ? header.chat.modelName : header.chat.state === ChatController.Opening ? qsTr(
                                                                     "Opening…") : qsTr("No model")
            font.weight: Font.DemiBold
            help: qsTr("About the model")
            Accessible.name: qsTr("Model: %1").arg(text)
            onClicked: panel.visible ? panel.close() : panel.open()

            Popup {
                id: panel

                y: modelButton.height + 4
                width: Math.min(430, header.width - 20)
                padding: 16
                focus: true
                closePolicy: Popup.CloseOnEscape | Popup.CloseOnPressOutsideParent

                background: Rectangle {
                    radius: Theme.radius
                    color: Theme.surface
                    border.width: 1
                    border.color: Theme.border
                }
                contentItem: ColumnLayout {
                    spacing: 12

                    ModelNote {
                        Layout.fillWidth: true
                        chat: header.chat
                    }
                    Text {
                        Layout.fillWidth: true
                        visible: text.length > 0
                        text: header.chat.modelFolder
                        textFormat: Text.PlainText
                        wrapMode: Text.WrapAnywhere
                        font.family: Theme.monoFamily
                        font.pixelSize: Theme.smallSize - 1
                        color: Theme.muted
                    }
                    RowLayout {
                        spacing: 8

                        TextButton {
                            focus: true
                            primary: true
                            symbol: "folder"
                            text: qsTr("Open model folder…")
                            shortcut: "Ctrl+O"
                            onClicked: {
                                panel.close();
                                header.openRequested();
                            }
                        }
                        TextButton {
                            text: qsTr("Keys and licences")
                            shortcut: "F1"
                            onClicked: {
                                panel.close();
                                header.aboutRequested();
                            }
                        }
                    }
                }
            }
        }
        Item {
            Layout.fillWidth: true
        }
        IconButton {
            objectName: "copyButton"
            enabled: header.chat.canCopy
            symbol: "copy"
            name: qsTr("Copy the last answer")
            shortcut: "Ctrl+Shift+C"
            onClicked: header.chat.copyAnswer()
        }
        IconButton {
            objectName: "regenerateButton"
            enabled: header.chat.canRegenerate
            symbol: "regenerate"
            name: qsTr("Answer again, in other words")
            shortcut: "Ctrl+R"
            onClicked: header.chat.regenerate()
        }
        IconButton {
            objectName: "clearButton"
            enabled: header.chat.canClear
            symbol: "clear"
            name: qsTr("Clear the conversation")
            shortcut: "Ctrl+L"
            onClicked: header.chat.clear()
        }
    }

    Rectangle {
        visible: header.chat.state === ChatController.Opening
        anchors.bottom: parent.bottom
        height: 2
        width: parent.width * Math.max(0.02, header.chat.openProgress)
        color: Theme.accent
    }
}
