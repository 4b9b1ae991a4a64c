import QtQuick
import QtQuick.Controls.Basic
import Step3.Ui

/// A button that is only a picture; its name is spoken and shown as a tip, with the shortcut.
Button {
    id: button

    required property string name
    required property string symbol
    property string shortcut: ""
    property bool primary: false
    property int symbolSize: 22
    property color symbolColor: !enabled ? Theme.disabled : primary ? Theme.accentText : Theme.muted

    implicitWidth: symbolSize + 14
    implicitHeight: symbolSize + 14
    padding: 7
    focusPolicy: Qt.StrongFocus
    display: AbstractButton.IconOnly
    icon.source: "qrc:/step3/icons/" + symbol + ".svg"
    icon.width: symbolSize
    icon.height: symbolSize
    icon.color: symbolColor

    Accessible.role: Accessible.Button
    Accessible.name: name
    Accessible.description: shortcut.length > 0 ? qsTr("Shortcut: %1").arg(shortcut) : ""
    Accessible.onPressAction: button.click()

    Keys.onReturnPressed: button.click()
    Keys.onEnterPressed: button.click()

    background: Rectangle {
        radius: button.primary ? height / 2 : 8
        color: button.primary ? (!button.enabled ? Theme.hover : button.hovered || button.down ? Theme.accentHover : Theme.accent)
                              : button.down ? Theme.pressed : button.hovered && button.enabled ? Theme.hover : "transparent"

        FocusRing {
            visible: button.visualFocus
            radius: parent.radius + 2
        }
    }

    Tip {
        visible: (button.hovered || button.visualFocus) && button.enabled
        text: button.shortcut.length > 0 ? button.name + "  (" + button.shortcut + ")" : button.name
    }
}
