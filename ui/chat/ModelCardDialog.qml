import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import QtQuick.Templates as T
import Step3.Chat
import Step3.Ui

/// What a model says about itself: sizes, data, scores, limits, as written in its folder.
Popup {
    id: dialog

    required property ChatController chat

    signal linkRequested(string target)

    anchors.centerIn: T.Overlay.overlay
    width: Math.min(800, (T.Overlay.overlay?.width ?? 840) - 32)
    height: Math.min(720, (T.Overlay.overlay?.height ?? 640) - 32)
    padding: 18
    modal: true
    focus: true
    onOpened: scroller.contentY = 0

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
        spacing: 10

        Accessible.role: Accessible.Dialog
        Accessible.name: qsTr("Model card")

        RowLayout {
            Text {
                Layout.fillWidth: true
                text: qsTr("Model card")
                font.pixelSize: Theme.fontSize * 1.25
                font.weight: Font.DemiBold
                color: Theme.text
            }
            IconButton {
                objectName: "modelCardClose"
                focus: true
                symbol: "close"
                symbolSize: 16
                name: qsTr("Close")
                shortcut: qsTr("Esc")
                onClicked: dialog.close()
            }
        }
        Flickable {
            id: scroller

            Layout.fillWidth: true
            Layout.fillHeight: true
            activeFocusOnTab: true
            clip: true
            contentHeight: blocks.height
            boundsBehavior: Flickable.StopAtBounds
            Keys.onUpPressed: contentY = Math.max(0, contentY - 40)
            Keys.onDownPressed: contentY = Math.min(Math.max(0, contentHeight - height), contentY + 40)

            Accessible.role: Accessible.Pane
            Accessible.name: qsTr("Text of the model card")

            ScrollBar.vertical: ThinScrollBar {}

            Column {
                id: blocks

                width: parent.width - 12
                spacing: 10

                Repeater {
                    model: dialog.chat.modelCard

                    BlockItem {
                        chat: dialog.chat
                        room: blocks.width
                        onLinkRequested: target => dialog.linkRequested(target)
                    }
                }
            }
            FocusRing {
                visible: scroller.activeFocus
            }
        }
    }
}
