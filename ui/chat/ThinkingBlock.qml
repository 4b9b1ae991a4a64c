import QtQuick
import QtQuick.Controls.Basic
import Step3.Ui

/// What the model thought before it answered: folded until asked for.
Column {
    id: block

    property string html: ""
    property string plain: ""
    property bool running: false
    property real milliseconds: 0
    property alias open: toggle.checked

    spacing: 4

    AbstractButton {
        id: toggle

        objectName: "thinkingToggle"
        checkable: true
        padding: 6
        leftPadding: 4
        focusPolicy: Qt.StrongFocus
        text: block.running ? qsTr("Thinking…") : block.milliseconds < 100 ? qsTr("Thought") : qsTr("Thought for %1 s").arg(
                                                                                 Number(block.milliseconds / 1000).toLocaleString(Qt.locale(), "f", 1))

        Accessible.role: Accessible.Button
        Accessible.name: text
        Accessible.description: checked ? qsTr("Press to hide what the model thought") : qsTr("Press to show what the model thought")
        Accessible.checkable: true
        Accessible.checked: checked
        Accessible.onPressAction: toggle.toggle()
        Keys.onReturnPressed: toggle.toggle()

        contentItem: Row {
            spacing: 5

            Symbol {
                anchors.verticalCenter: parent.verticalCenter
                symbolName: "chevron"
                size: 16
                color: Theme.muted
                rotation: toggle.checked ? 90 : 0
            }
            Text {
                anchors.verticalCenter: parent.verticalCenter
                text: toggle.text
                font.pixelSize: Theme.smallSize
                color: Theme.muted
            }
        }
        background: Rectangle {
            radius: 6
            color: toggle.hovered ? Theme.hover : "transparent"

            FocusRing {
                visible: toggle.visualFocus
            }
        }
    }

    Row {
        visible: toggle.checked && block.plain.length > 0
        width: parent.width
        spacing: 12

        Rectangle {
            width: 2
            height: thoughts.height
            color: Theme.border
        }
        TextBlock {
            id: thoughts

            width: parent.width - 14
            html: block.html
            plain: block.plain
            color: Theme.muted
            font.pixelSize: Theme.fontSize - 1
        }
    }
}
