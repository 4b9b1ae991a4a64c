import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import QtQuick.Templates as T
import Step3.Chat
import Step3.Ui

/// Shows where a link of an answer leads before anything is opened.
Popup {
    id: dialog

    required property ChatController chat
    property string target: ""

    function ask(link: string): void {
        target = link;
        open();
    }

    anchors.centerIn: T.Overlay.overlay
    width: Math.min(520, (parent?.width ?? 560) - 40)
    padding: 18
    modal: true
    focus: true

    background: Rectangle {
        radius: Theme.radius
        color: Theme.surface
        border.width: 1
        border.color: Theme.border
    }
    T.Overlay.modal: Rectangle {
        color: Qt.alpha("black", 0.35)
    }
    contentItem: ColumnLayout {
        spacing: 12

        Accessible.role: Accessible.Dialog
        Accessible.name: qsTr("Open this link in the browser?") + " " + dialog.target

        Text {
            Layout.fillWidth: true
            text: qsTr("Open this link in the browser?")
            wrapMode: Text.Wrap
            font.pixelSize: Theme.fontSize
            font.weight: Font.DemiBold
            color: Theme.text
        }
        Text {
            Layout.fillWidth: true
            text: dialog.target
            textFormat: Text.PlainText
            wrapMode: Text.WrapAnywhere
            maximumLineCount: 8
            elide: Text.ElideRight
            font.family: Theme.monoFamily
            font.pixelSize: Theme.smallSize
            color: Theme.text
        }
        Text {
            Layout.fillWidth: true
            text: qsTr("The model wrote this address; it may not exist or not be what it says.")
            wrapMode: Text.Wrap
            font.pixelSize: Theme.smallSize
            color: Theme.muted
        }
        RowLayout {
            Layout.alignment: Qt.AlignRight
            spacing: 8

            TextButton {
                focus: true
                text: qsTr("Cancel")
                onClicked: dialog.close()
            }
            TextButton {
                text: qsTr("Copy link")
                symbol: "copy"
                onClicked: {
                    dialog.chat.copyText(dialog.target);
                    dialog.close();
                }
            }
            TextButton {
                primary: true
                text: qsTr("Open")
                onClicked: {
                    dialog.chat.openLink(dialog.target);
                    dialog.close();
                }
            }
        }
    }
}
