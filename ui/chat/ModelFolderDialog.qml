import QtQuick
import QtQuick.Dialogs
import Step3.Chat

/// Chooses a model folder; loaded when first asked for.
FolderDialog {
    required property ChatController chat

    title: qsTr("Open a folder with Step3 weights")
    onAccepted: chat.openModel(selectedFolder)
}
