import QtQuick
import Step3.Ui

/// A picture of a question, as a thumbnail.
Item {
    id: block

    property url source
    property string name: ""
    property int pixelWidth: 1
    property int pixelHeight: 1
    readonly property real side: 220
    readonly property real factor: Math.min(side / Math.max(1, pixelWidth), side / Math.max(1, pixelHeight), 1.5)

    implicitWidth: Math.max(28, Math.round(pixelWidth * factor))
    implicitHeight: Math.max(28, Math.round(pixelHeight * factor))

    Accessible.role: Accessible.Graphic
    Accessible.name: qsTr("Picture %1, %2 by %3 pixels").arg(name).arg(pixelWidth).arg(pixelHeight)

    Rectangle {
        anchors.fill: parent
        color: "transparent"
        border.color: Theme.border
        border.width: 1
        z: 1
    }
    Image {
        anchors.fill: parent
        source: block.source
        sourceSize: Qt.size(440, 440)
        fillMode: Image.PreserveAspectFit
        asynchronous: true
        mipmap: true
    }
}
