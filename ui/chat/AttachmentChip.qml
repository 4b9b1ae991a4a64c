import QtQuick
import Step3.Chat
import Step3.Ui

/// A picture of the question being written, or what could not be taken and why.
Rectangle {
    id: chip

    required property int index
    required property int attachmentState
    required property string name
    required property string detail
    required property string hint
    required property url image
    readonly property bool rejected: attachmentState === AttachmentModel.Rejected

    signal removeRequested(int index)

    width: rejected ? 380 : 196
    height: rejected ? 76 : 60
    radius: 8
    color: rejected ? Theme.dangerSurface : Theme.sunken
    border.width: 1
    border.color: rejected ? Theme.dangerBorder : Theme.border

    Accessible.role: Accessible.ListItem
    Accessible.name: [name, detail, rejected ? hint : ""].filter(s => s.length > 0).join(". ")

    Item {
        id: preview

        x: 6
        anchors.verticalCenter: parent.verticalCenter
        width: 48
        height: 48

        Image {
            anchors.fill: parent
            visible: chip.attachmentState === AttachmentModel.Ready
            source: chip.image
            sourceSize: Qt.size(96, 96)
            fillMode: Image.PreserveAspectFit
            asynchronous: true
        }
        WaitingDots {
            anchors.centerIn: parent
            visible: chip.attachmentState === AttachmentModel.Loading
        }
        Symbol {
            anchors.centerIn: parent
            visible: chip.rejected
            symbolName: "warning"
            size: 24
            color: Theme.danger
        }
    }
    Column {
        anchors.left: preview.right
        anchors.leftMargin: 8
        anchors.right: remove.left
        anchors.verticalCenter: parent.verticalCenter
        spacing: 1

        Text {
            width: parent.width
            text: chip.name
            textFormat: Text.PlainText
            elide: Text.ElideMiddle
            font.pixelSize: Theme.smallSize
            color: chip.rejected ? Theme.danger : Theme.text
        }
        Text {
            width: parent.width
            text: chip.rejected ? chip.detail + " " + chip.hint : chip.detail
            textFormat: Text.PlainText
            wrapMode: Text.Wrap
            maximumLineCount: chip.rejected ? 3 : 1
            elide: Text.ElideRight
            font.pixelSize: Theme.smallSize - 1
            color: chip.rejected ? Theme.text : Theme.muted
        }
    }
    HoverHandler {
        id: hover
    }
    Tip {
        visible: hover.hovered && chip.rejected
        text: chip.name + "\n" + chip.detail + "\n" + chip.hint
    }
    IconButton {
        id: remove

        anchors.right: parent.right
        anchors.rightMargin: 4
        anchors.verticalCenter: parent.verticalCenter
        symbol: "close"
        symbolSize: 14
        name: chip.rejected ? qsTr("Dismiss %1").arg(chip.name) : qsTr("Remove %1").arg(chip.name)
        onClicked: chip.removeRequested(chip.index)
    }
}
