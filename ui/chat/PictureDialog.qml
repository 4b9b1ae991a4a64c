import QtQuick
import QtQuick.Dialogs
import Step3.Chat

/// Chooses pictures; loaded when first asked for.
FileDialog {
    required property ChatController chat

    title: qsTr("Attach pictures")
    fileMode: FileDialog.OpenFiles
    nameFilters: [qsTr("Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.PNG *.JPG *.JPEG *.WEBP)"), qsTr("All files (*)")]
    onAccepted: chat.addFiles(selectedFiles)
}
