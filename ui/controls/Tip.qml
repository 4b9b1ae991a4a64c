import QtQuick
import QtQuick.Controls.Basic
import Step3.Ui

/// What a control does and its shortcut, after a moment of hovering or keyboard focus.
ToolTip {
    id: tip

    delay: 600
    timeout: 6000
    font.pixelSize: Theme.smallSize
    margins: 6
    contentItem: Text {
        text: tip.text
        font: tip.font
        color: Theme.window
        wrapMode: Text.Wrap
    }
    background: Rectangle {
        color: Theme.text
        radius: 6
        opacity: 0.95
    }
}
