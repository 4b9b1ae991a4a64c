import QtQuick
import Step3.Ui

/// Why a question has no answer, where the answer would be.
Notice {
    id: block

    property bool canRetry: false

    signal retryRequested

    objectName: "errorBlock"
    danger: true

    TextButton {
        visible: block.canRetry
        text: qsTr("Try again")
        symbol: "regenerate"
        onClicked: block.retryRequested()
    }
}
