pragma ComponentBehavior: Bound

import QtQuick
import QtQuick.Layouts
import Step3.Chat
import Step3.Ui

/// Shown while nothing was asked: what this model is, what it can do, questions to start from.
Flickable {
    id: welcome

    required property ChatController chat
    readonly property var examples: chat.shippedModel || !chat.hasModel ? [qsTr("What do you see?"), qsTr("How many shapes are there?"), qsTr(
            "What colour is the circle?")] : [qsTr("Describe this picture."), qsTr("What does the text in this picture say?"), qsTr(
            "Explain this chart.")]

    signal exampleChosen(string text)
    signal attachRequested
    signal openRequested
    signal cardRequested

    contentHeight: column.height + 48
    boundsBehavior: Flickable.StopAtBounds
    clip: true

    ColumnLayout {
        id: column

        anchors.horizontalCenter: parent.horizontalCenter
        y: Math.max(24, (welcome.height - height) * 0.42)
        width: Math.min(welcome.width - 40, 600)
        spacing: 14

        Image {
            Layout.alignment: Qt.AlignHCenter
            source: "qrc:/step3/icons/step3-desktop.svg"
            sourceSize: Qt.size(64, 64)
        }
        Text {
            Layout.fillWidth: true
            horizontalAlignment: Text.AlignHCenter
            text: qsTr("Ask about a picture")
            font.pixelSize: Theme.titleSize
            font.weight: Font.DemiBold
            color: Theme.text
            wrapMode: Text.Wrap
            Accessible.role: Accessible.Heading
            Accessible.name: text
        }
        Text {
            Layout.fillWidth: true
            horizontalAlignment: Text.AlignHCenter
            text: qsTr("Drop a picture into the window, paste one, or choose one; then type a question. Nothing leaves this machine.")
            font.pixelSize: Theme.fontSize
            lineHeight: 1.25
            color: Theme.muted
            wrapMode: Text.Wrap
        }

        Flow {
            id: row

            Layout.alignment: Qt.AlignHCenter
            Layout.topMargin: 4
            Layout.preferredWidth: Math.min(column.width, exampleButtons.naturalWidth)
            spacing: 8

            Repeater {
                id: exampleButtons

                property real naturalWidth: {
                    let sum = -row.spacing;
                    for (let i = 0; i < count; ++i)
                        sum += (itemAt(i)?.implicitWidth ?? 0) + row.spacing;
                    return Math.max(sum, 10);
                }

                model: welcome.examples

                TextButton {
                    required property string modelData
                    required property int index

                    objectName: "example" + index
                    text: modelData
                    help: qsTr("Puts this question into the input")
                    onClicked: welcome.exampleChosen(modelData)
                }
            }
        }

        Rectangle {
            Layout.fillWidth: true
            Layout.topMargin: 10
            visible: welcome.chat.hasModel
            implicitHeight: about.implicitHeight + 28
            radius: Theme.radius
            color: Theme.surface
            border.width: 1
            border.color: Theme.border

            ModelNote {
                id: about

                anchors.fill: parent
                anchors.margins: 14
                chat: welcome.chat
                onCardRequested: welcome.cardRequested()
            }
        }
        RowLayout {
            Layout.alignment: Qt.AlignHCenter
            spacing: 8

            TextButton {
                text: qsTr("Choose pictures")
                symbol: "attach"
                shortcut: "Ctrl+I"
                onClicked: welcome.attachRequested()
            }
            TextButton {
                text: qsTr("Open model folder")
                symbol: "folder"
                shortcut: "Ctrl+O"
                primary: welcome.chat.state === ChatController.NoModel
                onClicked: welcome.openRequested()
            }
        }
    }
}
