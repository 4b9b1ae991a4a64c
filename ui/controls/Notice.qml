import QtQuick
import Step3.Ui

/// A bar inside the window: what happened, why, what to do, and buttons. Never modal.
Rectangle {
    id: notice

    property string title: ""
    property string reason: ""
    property string hint: ""
    property bool danger: false
    default property alias actions: buttons.data
    // Buttons go below the words where both do not fit side by side.
    readonly property bool stacked: width < 480

    implicitHeight: (stacked ? words.height + buttons.height + 6 : Math.max(words.height, buttons.height)) + 20
    radius: Theme.radius
    color: danger ? Theme.dangerSurface : Theme.surface
    border.width: 1
    border.color: danger ? Theme.dangerBorder : Theme.border

    Accessible.role: Accessible.AlertMessage
    Accessible.name: [title, reason, hint].filter(s => s.length > 0).join(". ")

    Column {
        id: words

        x: 14
        y: notice.stacked ? 10 : (notice.height - height) / 2
        width: notice.width - 24 - (notice.stacked ? 0 : buttons.width + 12)
        spacing: 3

        Text {
            width: parent.width
            visible: text.length > 0
            text: notice.title
            textFormat: Text.PlainText
            wrapMode: Text.Wrap
            font.pixelSize: Theme.fontSize
            font.weight: Font.DemiBold
            color: notice.danger ? Theme.danger : Theme.text
        }
        Text {
            width: parent.width
            visible: text.length > 0
            text: notice.reason
            textFormat: Text.PlainText
            wrapMode: Text.Wrap
            font.pixelSize: Theme.smallSize
            color: Theme.muted
        }
        Text {
            width: parent.width
            visible: text.length > 0
            text: notice.hint
            textFormat: Text.PlainText
            wrapMode: Text.Wrap
            font.pixelSize: Theme.fontSize - 1
            color: Theme.text
        }
    }
    Row {
        id: buttons

        x: notice.width - width - 10
        y: notice.stacked ? notice.height - height - 8 : (notice.height - height) / 2
        spacing: 4
    }
}
