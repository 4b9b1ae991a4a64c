import QtQuick
import QtQuick.Controls.Basic
import Step3.Ui

ScrollBar {
    id: bar

    padding: 3
    minimumSize: 0.06
    focusPolicy: Qt.NoFocus
    Accessible.role: Accessible.ScrollBar
    Accessible.name: orientation === Qt.Vertical ? qsTr("Scroll up or down") : qsTr("Scroll left or right")

    contentItem: Rectangle {
        implicitWidth: 6
        implicitHeight: 6
        radius: 3
        color: bar.pressed ? Theme.muted : Theme.disabled
        opacity: bar.size < 1.0 && (bar.active || bar.hovered) ? 0.9 : bar.size < 1.0 ? 0.45 : 0
    }
    background: null
}
