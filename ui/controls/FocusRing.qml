import QtQuick
import Step3.Ui

/// Shown around a control that the keyboard is on.
Rectangle {
    anchors.fill: parent
    anchors.margins: -2
    radius: Theme.radius
    color: "transparent"
    border.width: 2
    border.color: Theme.accent
}
