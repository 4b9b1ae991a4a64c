import QtQuick
import QtQuick.Controls.Basic
import Step3.Ui

/// A button with words, and a picture in front of them if `symbol` is given.
Button {
    id: button

    property bool primary: false
    property bool quiet: false
    property string symbol: ""
    property string shortcut: ""
    property string help: ""
    readonly property color ink: !enabled ? Theme.disabled : primary ? Theme.accentText : Theme.text

    padding: 7
    leftPadding: 12
    rightPadding: 12
    spacing: 6
    font.pixelSize: Theme.fontSize - 1
    focusPolicy: Qt.StrongFocus
    icon.source: symbol.length > 0 ? "qrc:/step3/icons/" + symbol + ".svg" : ""
    icon.width: 18
    icon.height: 18
    icon.color: ink
    palette.buttonText: ink
    palette.windowText: ink
    palette.brightText: ink
    palette.highlight: ink

    Accessible.role: Accessible.Button
    Accessible.name: text
    Accessible.description: [help, shortcut.length > 0 ? qsTr("Shortcut: %1").arg(shortcut) : ""].filter(s => s.length > 0).join(" ")
    Accessible.onPressAction: button.click()

    Keys.onReturnPressed: button.click()
    Keys.onEnterPressed: button.click()

    background: Rectangle {
        radius: 8
        color: button.primary ? (!button.enabled ? Theme.hover : button.hovered || button.down ? Theme.accentHover : Theme.accent)
                              : button.down ? Theme.pressed : button.hovered ? Theme.hover : button.quiet ? "transparent" : Theme.surface
        border.width: button.primary || button.quiet ? 0 : 1
        border.color: Theme.border

        FocusRing {
            visible: button.visualFocus
        }
    }

    Tip {
        visible: (button.hovered || button.visualFocus) && text.length > 0
        text: [button.help, button.shortcut].filter(s => s.length > 0).join("  ·  ")
    }
}
