import QtQuick
import QtQuick.Controls.Basic
import Step3.Ui

/// Code with its language and a copy button; long lines scroll sideways.
Rectangle {
    id: block

    property string code: ""
    property string language: ""

    signal copyRequested(string text)

    implicitWidth: 200
    implicitHeight: bar.height + lines.height + 12
    radius: 8
    color: Theme.sunken
    border.width: 1
    border.color: Theme.border

    Accessible.role: Accessible.Grouping
    Accessible.name: language.length > 0 ? qsTr("Code, %1").arg(language) : qsTr("Code")

    Item {
        id: bar

        width: parent.width
        height: 32

        Text {
            anchors.left: parent.left
            anchors.leftMargin: 12
            anchors.verticalCenter: parent.verticalCenter
            text: block.language.length > 0 ? block.language : qsTr("code")
            textFormat: Text.PlainText
            font.pixelSize: Theme.smallSize
            color: Theme.muted
        }
        IconButton {
            id: copy

            property bool copied: false

            anchors.right: parent.right
            anchors.rightMargin: 4
            anchors.verticalCenter: parent.verticalCenter
            symbolSize: 15
            symbol: copied ? "check" : "copy"
            name: copied ? qsTr("Copied") : qsTr("Copy code")
            onClicked: {
                block.copyRequested(block.code);
                copied = true;
                copiedTimer.restart();
            }

            Timer {
                id: copiedTimer

                interval: 1500
                onTriggered: copy.copied = false
            }
        }
    }

    Flickable {
        id: lines

        anchors.top: bar.bottom
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.leftMargin: 12
        anchors.rightMargin: 12
        height: edit.implicitHeight + (contentWidth > width ? 12 : 0)
        contentWidth: edit.implicitWidth
        contentHeight: edit.implicitHeight
        flickableDirection: Flickable.HorizontalFlick
        boundsBehavior: Flickable.StopAtBounds
        clip: true

        ScrollBar.horizontal: ThinScrollBar {}

        TextEdit {
            id: edit

            text: block.code
            textFormat: TextEdit.PlainText
            readOnly: true
            selectByMouse: true
            activeFocusOnTab: false
            font.family: Theme.monoFamily
            font.pixelSize: Theme.fontSize - 1
            color: Theme.text
            selectionColor: Theme.selection
            selectedTextColor: Theme.text
            Accessible.role: Accessible.StaticText
            Accessible.name: block.code
        }
    }
}
