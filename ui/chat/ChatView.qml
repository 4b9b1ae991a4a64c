pragma ComponentBehavior: Bound

import QtQuick
import QtQuick.Controls.Basic
import Step3.Chat
import Step3.Ui

/// The conversation. It follows the growing answer only while its end is in sight.
Item {
    id: view

    required property ChatController chat

    signal linkRequested(string target)

    function scrollBy(pages: real): void {
        list.moveBy(pages * list.height * 0.85);
    }
    function toEnd(): void {
        list.follow = true;
        list.keepUp();
    }

    ListView {
        id: list

        property bool follow: true

        function keepUp(): void {
            if (follow)
                positionViewAtEnd();
        }
        function moveBy(pixels: real): void {
            const top = originY - topMargin;
            contentY = Math.max(top, Math.min(originY + contentHeight - height, contentY + pixels));
            follow = atYEnd;
        }

        objectName: "messageList"
        anchors.fill: parent
        topMargin: 16
        model: view.chat.messages
        boundsBehavior: Flickable.StopAtBounds
        // Enough that the heights of the neighbours are known before they scroll in.
        cacheBuffer: 1600
        reuseItems: false
        clip: true
        activeFocusOnTab: false

        Accessible.role: Accessible.List
        Accessible.name: qsTr("Conversation")

        ScrollBar.vertical: ThinScrollBar {}

        delegate: MessageItem {
            width: list.width
            chat: view.chat
            onLinkRequested: target => view.linkRequested(target)
        }

        onContentHeightChanged: Qt.callLater(keepUp)
        onHeightChanged: Qt.callLater(keepUp)
        onCountChanged: {
            follow = true;
            Qt.callLater(keepUp);
        }
        onMovementEnded: follow = atYEnd
        onMovementStarted: follow = false

        WheelHandler {
            acceptedDevices: PointerDevice.Mouse | PointerDevice.TouchPad
            onWheel: event => {
                list.moveBy(event.pixelDelta.y !== 0 ? -event.pixelDelta.y : -event.angleDelta.y * 0.6);
            }
        }
    }

    TextButton {
        visible: !list.follow && !list.atYEnd && list.count > 0
        anchors.horizontalCenter: parent.horizontalCenter
        anchors.bottom: parent.bottom
        anchors.bottomMargin: 8
        symbol: "down"
        text: qsTr("To the end")
        shortcut: "Ctrl+End"
        onClicked: view.toEnd()
    }
}
