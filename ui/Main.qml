import QtQuick
import QtQuick.Controls.Basic
import Step3.Chat
import Step3.Ui

ApplicationWindow {
    id: window

    required property ChatController chat
    property string themeMode: "system"
    property string monoFamily: "monospace"

    width: 980
    height: 760
    minimumWidth: 360
    minimumHeight: 440
    visible: true
    title: chat.hasModel ? qsTr("%1 – Step3 Desktop").arg(chat.modelName) : qsTr("Step3 Desktop")
    color: Theme.window

    palette.window: Theme.window
    palette.windowText: Theme.text
    palette.text: Theme.text
    palette.base: Theme.surface
    palette.highlight: Theme.accent

    Binding {
        target: Theme
        property: "mode"
        value: window.themeMode
    }
    Binding {
        target: Theme
        property: "monoFamily"
        value: window.monoFamily
    }

    ChatPage {
        anchors.fill: parent
        focus: true
        chat: window.chat
    }
}
