pragma ComponentBehavior: Bound

import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import Step3.Ui

/// A table of rich text; wide ones scroll sideways.
Flickable {
    id: table

    property var header: []
    property var rows: []
    property var alignments: []
    property string plain: ""
    readonly property var cells: {
        let all = Array.from(header);
        for (const row of rows)
            all = all.concat(Array.from(row).slice(0, header.length));
        return all;
    }

    signal linkRequested(string target)

    implicitWidth: grid.implicitWidth
    implicitHeight: grid.implicitHeight + 8
    contentWidth: grid.width
    contentHeight: grid.height
    flickableDirection: Flickable.HorizontalFlick
    boundsBehavior: Flickable.StopAtBounds
    clip: true

    Accessible.role: Accessible.Table
    Accessible.name: plain

    ScrollBar.horizontal: ThinScrollBar {}

    GridLayout {
        id: grid

        columns: Math.max(1, table.header.length)
        columnSpacing: 0
        rowSpacing: 0

        Repeater {
            model: table.cells

            Rectangle {
                id: cell

                required property int index
                required property string modelData
                readonly property int row: Math.floor(index / grid.columns)

                Layout.fillWidth: true
                Layout.fillHeight: true
                implicitWidth: Math.min(words.implicitWidth, 300) + 24
                implicitHeight: words.height + 14
                color: row === 0 ? Theme.sunken : row % 2 === 0 ? Qt.alpha(Theme.sunken, 0.5) : "transparent"

                Rectangle {
                    anchors.bottom: parent.bottom
                    width: parent.width
                    height: 1
                    color: Theme.border
                }
                Text {
                    id: words

                    x: 12
                    y: 7
                    width: parent.width - 24
                    text: cell.row === 0 ? "<b>" + cell.modelData + "</b>" : cell.modelData
                    textFormat: Text.RichText
                    wrapMode: Text.Wrap
                    horizontalAlignment: table.alignments[cell.index % grid.columns] ?? Text.AlignLeft
                    font.pixelSize: Theme.fontSize - 1
                    color: Theme.text
                    linkColor: Theme.accent
                    onLinkActivated: link => table.linkRequested(link)
                }
            }
        }
    }
}
