pragma ComponentBehavior: Bound

import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import Step3.Chat
import Step3.Ui

/// Where the question is written: pictures, text, send or stop.
Rectangle {
    id: composer

    required property ChatController chat
    property bool obstacleShown: false

    signal attachRequested

    function takeFocus(): void {
        input.forceActiveFocus(Qt.OtherFocusReason);
    }
    function submit(): void {
        obstacleShown = !chat.canSend && (chat.draft.trim().length > 0 || chat.attachments.count > 0);
        chat.send();
    }

    implicitHeight: parts.implicitHeight + 16
    radius: 16
    color: Theme.surface
    border.width: input.activeFocus ? 2 : 1
    border.color: input.activeFocus ? Theme.accent : Theme.border

    Connections {
        target: composer.chat

        function onCanSendChanged(): void {
            if (composer.chat.canSend)
                composer.obstacleShown = false;
        }
        function onDraftChanged(): void {
            composer.obstacleShown = false;
            if (input.text !== composer.chat.draft) {
                input.text = composer.chat.draft;
                input.cursorPosition = input.length;
            }
        }
    }

    ColumnLayout {
        id: parts

        anchors.fill: parent
        anchors.margins: 8
        spacing: 6

        Flickable {
            id: strip

            Layout.fillWidth: true
            Layout.preferredHeight: Math.min(chips.height, 132)
            visible: composer.chat.attachments.count > 0
            contentHeight: chips.height
            clip: true
            boundsBehavior: Flickable.StopAtBounds

            Accessible.role: Accessible.List
            Accessible.name: qsTr("Attached pictures")

            ScrollBar.vertical: ThinScrollBar {}

            Flow {
                id: chips

                width: strip.width
                spacing: 6

                Repeater {
                    model: composer.chat.attachments

                    AttachmentChip {
                        width: Math.min(rejected ? 340 : 196, chips.width)
                        onRemoveRequested: row => {
                            composer.chat.attachments.removeAt(row);
                            composer.takeFocus();
                        }
                    }
                }
            }
        }

        RowLayout {
            Layout.fillWidth: true
            spacing: 4

            IconButton {
                Layout.alignment: Qt.AlignBottom
                objectName: "attachButton"
                symbol: "attach"
                name: qsTr("Attach pictures")
                shortcut: "Ctrl+I"
                onClicked: composer.attachRequested()
            }
            Flickable {
                id: scroller

                Layout.fillWidth: true
                Layout.preferredHeight: Math.min(input.implicitHeight, Theme.fontSize * 13)
                Layout.alignment: Qt.AlignVCenter
                flickableDirection: Flickable.VerticalFlick
                boundsBehavior: Flickable.StopAtBounds
                clip: true

                ScrollBar.vertical: ThinScrollBar {}

                TextArea.flickable: TextArea {
                    id: input

                    objectName: "questionInput"
                    placeholderText: composer.chat.attachments.count > 0 ? qsTr("Ask about the picture")
                                                                         : qsTr("Ask a question, or drop a picture here")
                    placeholderTextColor: Theme.muted
                    textFormat: TextEdit.PlainText
                    wrapMode: TextArea.Wrap
                    font.pixelSize: Theme.fontSize
                    color: Theme.text
                    selectionColor: Theme.selection
                    selectedTextColor: Theme.text
                    selectByMouse: true
                    topPadding: 8
                    bottomPadding: 8
                    leftPadding: 4
                    rightPadding: 8
                    background: null
                    focus: true

                    Accessible.role: Accessible.EditableText
                    Accessible.name: qsTr("Question")
                    Accessible.description: qsTr("Enter sends, Shift+Enter starts a new line")
                    Accessible.multiLine: true

                    onTextChanged: composer.chat.draft = text

                    Keys.onPressed: event => {
                        const enter = event.key === Qt.Key_Return || event.key === Qt.Key_Enter;
                        if (enter && !(event.modifiers & Qt.ShiftModifier) && !input.inputMethodComposing) {
                            composer.submit();
                            event.accepted = true;
                        } else if (event.matches(StandardKey.Paste)) {
                            event.accepted = composer.chat.pastePictures();
                        } else if (event.matches(StandardKey.Undo) && input.length === 0 && composer.chat.canUndoClear) {
                            composer.chat.undoClear();
                            event.accepted = true;
                        }
                    }
                    // Tab leads on to the next control; a tabulator has no use in a question.
                    Keys.onTabPressed: nextItemInFocusChain(true).forceActiveFocus(Qt.TabFocusReason)
                    Keys.onBacktabPressed: nextItemInFocusChain(false).forceActiveFocus(Qt.BacktabFocusReason)
                }
            }
            IconButton {
                Layout.alignment: Qt.AlignBottom
                objectName: "sendButton"
                visible: !composer.chat.answering
                enabled: composer.chat.canSend
                primary: true
                symbol: "send"
                name: qsTr("Send")
                shortcut: qsTr("Enter")
                onClicked: composer.submit()
            }
            IconButton {
                Layout.alignment: Qt.AlignBottom
                objectName: "stopButton"
                visible: composer.chat.answering
                enabled: composer.chat.state !== ChatController.Stopping
                primary: true
                symbol: "stop"
                name: qsTr("Stop")
                shortcut: qsTr("Esc")
                onClicked: composer.chat.stop()
            }
        }
        Text {
            Layout.fillWidth: true
            Layout.leftMargin: 8
            visible: composer.obstacleShown && text.length > 0
            text: composer.chat.sendObstacle
            wrapMode: Text.Wrap
            font.pixelSize: Theme.smallSize
            color: Theme.danger
            Accessible.role: Accessible.AlertMessage
            Accessible.name: text
        }
    }
}
