pragma ComponentBehavior: Bound

import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import QtQuick.Templates as T
import Step3.About
import Step3.Ui

/// What the program is, its keys, and the licences of everything in it.
Popup {
    id: dialog

    readonly property var keys: [["Enter", qsTr("Send")], ["Shift+Enter", qsTr("New line")], ["Esc", qsTr("Stop the answer")], ["Ctrl+I", qsTr(
                                                                                                                     "Attach pictures")],
        ["Ctrl+V", qsTr("Paste a picture or text")], ["Ctrl+R", qsTr("Answer again, in other words")], ["Ctrl+Shift+C", qsTr("Copy the last answer")],
        ["Ctrl+L", qsTr("Clear the conversation")], ["Ctrl+Z", qsTr("Undo clearing")], ["Ctrl+O", qsTr("Open a model folder")], ["PgUp, PgDn",
                                                                                                                                  qsTr("Scroll")],
        ["Ctrl+End", qsTr("To the end")], ["F1", qsTr("This window")]]

    anchors.centerIn: T.Overlay.overlay
    width: Math.min(720, (T.Overlay.overlay?.width ?? 760) - 32)
    height: Math.min(600, (T.Overlay.overlay?.height ?? 640) - 32)
    padding: 18
    modal: true
    focus: true

    background: Rectangle {
        radius: Theme.radius
        color: Theme.surface
        border.width: 1
        border.color: Theme.border
    }
    T.Overlay.modal: Rectangle {
        color: Qt.alpha("black", 0.35)
    }
    contentItem: ColumnLayout {
        spacing: 10

        Accessible.role: Accessible.Dialog
        Accessible.name: title.text

        RowLayout {
            spacing: 12

            Image {
                source: "qrc:/step3/icons/step3-desktop.svg"
                sourceSize: Qt.size(36, 36)
            }
            Text {
                id: title

                Layout.fillWidth: true
                text: qsTr("Step3 Desktop %1").arg(licences.version)
                font.pixelSize: Theme.fontSize * 1.25
                font.weight: Font.DemiBold
                color: Theme.text
            }
            IconButton {
                objectName: "aboutClose"
                focus: true
                symbol: "close"
                symbolSize: 16
                name: qsTr("Close")
                shortcut: qsTr("Esc")
                onClicked: dialog.close()
            }
        }
        Text {
            text: qsTr("Keys")
            font.pixelSize: Theme.fontSize
            font.weight: Font.DemiBold
            color: Theme.text
        }
        Flow {
            Layout.fillWidth: true
            spacing: 6

            Repeater {
                model: dialog.keys

                Text {
                    required property var modelData

                    width: Math.max(200, (dialog.availableWidth - 18) / 3)
                    text: "<b>" + modelData[0] + "</b>&nbsp; " + modelData[1]
                    textFormat: Text.StyledText
                    elide: Text.ElideRight
                    font.pixelSize: Theme.smallSize
                    color: Theme.muted
                }
            }
        }
        Text {
            text: qsTr("Licences")
            font.pixelSize: Theme.fontSize
            font.weight: Font.DemiBold
            color: Theme.text
        }
        RowLayout {
            Layout.fillWidth: true
            Layout.fillHeight: true
            spacing: 10

            ListView {
                id: list

                objectName: "licenceList"
                Layout.preferredWidth: 210
                Layout.fillHeight: true
                clip: true
                activeFocusOnTab: true
                keyNavigationEnabled: true
                boundsBehavior: Flickable.StopAtBounds
                model: LicenceModel {
                    id: licences
                }

                Accessible.role: Accessible.List
                Accessible.name: qsTr("Licences")

                ScrollBar.vertical: ThinScrollBar {}

                delegate: Rectangle {
                    id: row

                    required property int index
                    required property string name
                    required property string licence

                    width: list.width
                    height: 40
                    radius: 6
                    color: ListView.isCurrentItem ? Theme.selection : "transparent"

                    Accessible.role: Accessible.ListItem
                    Accessible.name: row.name + ", " + row.licence

                    Column {
                        anchors.verticalCenter: parent.verticalCenter
                        x: 8
                        width: parent.width - 16

                        Text {
                            width: parent.width
                            text: row.name
                            elide: Text.ElideRight
                            font.pixelSize: Theme.smallSize
                            color: Theme.text
                        }
                        Text {
                            text: row.licence
                            font.pixelSize: Theme.smallSize - 1
                            color: row.ListView.isCurrentItem ? Theme.text : Theme.muted
                        }
                    }
                    TapHandler {
                        onTapped: {
                            list.currentIndex = row.index;
                            list.forceActiveFocus(Qt.MouseFocusReason);
                        }
                    }
                }

                FocusRing {
                    visible: list.activeFocus
                }
            }
            Rectangle {
                Layout.fillWidth: true
                Layout.fillHeight: true
                radius: 6
                color: Theme.sunken

                Flickable {
                    anchors.fill: parent
                    clip: true
                    boundsBehavior: Flickable.StopAtBounds

                    ScrollBar.vertical: ThinScrollBar {}

                    TextArea.flickable: TextArea {
                        objectName: "licenceText"
                        readOnly: true
                        text: licences.text(list.currentIndex)
                        textFormat: TextEdit.PlainText
                        wrapMode: TextEdit.Wrap
                        font.family: Theme.monoFamily
                        font.pixelSize: Theme.smallSize - 1
                        color: Theme.text
                        background: null

                        Accessible.name: qsTr("Text of the licence")
                    }
                }
            }
        }
    }
}
