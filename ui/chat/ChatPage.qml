import QtQuick
import QtQuick.Layouts
import Step3.Chat
import Step3.Ui

/// The whole content of the window; tests load it without the window.
FocusScope {
    id: page

    required property ChatController chat
    property bool dialogsEnabled: true

    signal attachAsked
    signal openAsked

    function attach(): void {
        attachAsked();
        if (dialogsEnabled)
            openDialog(pictureDialog, "PictureDialog.qml");
    }
    function chooseModel(): void {
        openAsked();
        if (dialogsEnabled)
            openDialog(folderDialog, "ModelFolderDialog.qml");
    }
    function showAbout(): void {
        if (aboutDialog.status === Loader.Null)
            aboutDialog.source = "AboutDialog.qml";
        aboutDialog.item?.open();
    }
    function openDialog(loader: Loader, file: string): void {
        if (loader.status === Loader.Null)
            loader.setSource(file, {
                chat: page.chat
            });
        loader.item?.open();
    }
    function fill(text: string): void {
        page.chat.draft = text;
        composer.takeFocus();
    }

    Component.onCompleted: composer.takeFocus()

    Loader {
        id: pictureDialog
    }
    Loader {
        id: folderDialog
    }
    Loader {
        id: cardDialog
    }
    Connections {
        target: cardDialog.item
        ignoreUnknownSignals: true

        function onLinkRequested(target: string): void {
            linkDialog.ask(target);
        }
    }
    LinkDialog {
        id: linkDialog

        chat: page.chat
    }

    Shortcut {
        sequence: "Esc"
        enabled: page.chat.answering || page.chat.state === ChatController.Opening
        onActivated: page.chat.answering ? page.chat.stop() : page.chat.cancelOpening()
    }
    Loader {
        id: aboutDialog
    }

    Shortcut {
        sequence: "F1"
        onActivated: page.showAbout()
    }
    Shortcut {
        sequence: "Ctrl+Shift+C"
        onActivated: page.chat.copyAnswer()
    }
    Shortcut {
        sequence: "Ctrl+L"
        onActivated: page.chat.clear()
    }
    Shortcut {
        sequence: "Ctrl+O"
        onActivated: page.chooseModel()
    }
    Shortcut {
        sequence: "Ctrl+I"
        onActivated: page.attach()
    }
    Shortcut {
        sequence: "Ctrl+R"
        onActivated: page.chat.regenerate()
    }
    Shortcut {
        sequence: "Ctrl+End"
        onActivated: view.toEnd()
    }
    Shortcut {
        sequences: ["PgUp", "Ctrl+Up"]
        onActivated: view.scrollBy(-1)
    }
    Shortcut {
        sequences: ["PgDown", "Ctrl+Down"]
        onActivated: view.scrollBy(1)
    }

    Rectangle {
        anchors.fill: parent
        color: Theme.window
    }

    ColumnLayout {
        anchors.fill: parent
        spacing: 0

        Header {
            Layout.fillWidth: true
            chat: page.chat
            onOpenRequested: page.chooseModel()
            onAboutRequested: page.showAbout()
        }
        Item {
            Layout.fillWidth: true
            Layout.fillHeight: true

            ChatView {
                id: view

                anchors.fill: parent
                visible: page.chat.messages.count > 0
                chat: page.chat
                onLinkRequested: target => linkDialog.ask(target)
            }
            Loader {
                anchors.fill: parent
                active: page.chat.messages.count === 0
                sourceComponent: Welcome {
                    chat: page.chat
                    onExampleChosen: text => page.fill(text)
                    onAttachRequested: page.attach()
                    onOpenRequested: page.chooseModel()
                    onCardRequested: page.openDialog(cardDialog, "ModelCardDialog.qml")
                }
            }
        }
        ColumnLayout {
            Layout.alignment: Qt.AlignHCenter
            Layout.fillWidth: true
            Layout.maximumWidth: Theme.columnWidth + 32
            Layout.leftMargin: 12
            Layout.rightMargin: 12
            spacing: 6

            Notice {
                Layout.fillWidth: true
                visible: page.chat.state === ChatController.Opening && page.chat.messages.count >= 0 && opening.late
                title: qsTr("Opening %1: %2 %").arg(page.chat.openingName).arg(Math.round(page.chat.openProgress * 100))

                TextButton {
                    text: qsTr("Stop")
                    shortcut: qsTr("Esc")
                    onClicked: page.chat.cancelOpening()
                }
                // A small model is open before a bar could be read.
                Timer {
                    id: opening

                    property bool late: false

                    interval: 400
                    running: page.chat.state === ChatController.Opening
                    onRunningChanged: late = false
                    onTriggered: late = true
                }
            }
            Notice {
                Layout.fillWidth: true
                objectName: "problemBar"
                visible: page.chat.problemTitle.length > 0
                danger: true
                title: page.chat.problemTitle
                reason: page.chat.problemReason
                hint: page.chat.problemHint

                TextButton {
                    text: qsTr("Open folder…")
                    symbol: "folder"
                    shortcut: "Ctrl+O"
                    onClicked: page.chooseModel()
                }
                IconButton {
                    symbol: "close"
                    symbolSize: 16
                    name: qsTr("Dismiss")
                    onClicked: {
                        page.chat.dismissProblem();
                        composer.takeFocus();
                    }
                }
            }
            Notice {
                Layout.fillWidth: true
                objectName: "undoBar"
                visible: page.chat.canUndoClear
                title: qsTr("Conversation cleared")

                TextButton {
                    objectName: "undoButton"
                    text: qsTr("Undo")
                    shortcut: "Ctrl+Z"
                    onClicked: {
                        page.chat.undoClear();
                        composer.takeFocus();
                    }
                }
                IconButton {
                    symbol: "close"
                    symbolSize: 16
                    name: qsTr("Dismiss")
                    onClicked: {
                        page.chat.dismissUndo();
                        composer.takeFocus();
                    }
                }
            }
            Composer {
                id: composer

                Layout.fillWidth: true
                chat: page.chat
                onAttachRequested: page.attach()
            }
            StatusLine {
                Layout.fillWidth: true
                Layout.leftMargin: 8
                Layout.rightMargin: 8
                Layout.bottomMargin: 4
                chat: page.chat
            }
        }
    }

    DropArea {
        id: drop

        anchors.fill: parent
        onDropped: event => {
            if (event.hasUrls) {
                page.chat.addFiles(event.urls);
            } else {
                const format = page.chat.pictureTypes.find(f => event.formats.includes(f));
                if (format !== undefined)
                    page.chat.addEncodedPicture(event.getDataAsArrayBuffer(format));
                else if (event.hasText)
                    page.chat.draft += event.text;
            }
            event.accept(Qt.CopyAction);
            composer.takeFocus();
        }
    }
    Rectangle {
        anchors.fill: parent
        anchors.margins: 10
        visible: drop.containsDrag
        radius: 18
        color: Qt.alpha(Theme.window, 0.88)
        border.width: 2
        border.color: Theme.accent

        Text {
            anchors.centerIn: parent
            text: qsTr("Drop to attach")
            font.pixelSize: Theme.titleSize
            font.weight: Font.DemiBold
            color: Theme.accent
        }
    }
}
