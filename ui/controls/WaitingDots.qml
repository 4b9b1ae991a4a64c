import QtQuick
import Step3.Ui

/// Three dots that breathe while nothing is there to read yet.
Row {
    id: dots

    spacing: 5
    Accessible.role: Accessible.Animation
    Accessible.name: qsTr("The model is reading")

    Repeater {
        model: 3

        Rectangle {
            id: dot

            required property int index

            width: 7
            height: 7
            radius: 3.5
            color: Theme.muted
            opacity: 0.35

            SequentialAnimation on opacity {
                running: dots.visible
                loops: Animation.Infinite

                PauseAnimation {
                    duration: dot.index * 160
                }
                NumberAnimation {
                    to: 1
                    duration: 320
                }
                NumberAnimation {
                    to: 0.35
                    duration: 320
                }
                PauseAnimation {
                    duration: (2 - dot.index) * 160 + 200
                }
            }
        }
    }
}
