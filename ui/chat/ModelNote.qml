import QtQuick
import QtQuick.Layouts
import Step3.Chat
import Step3.Ui

/// Says plainly which model answers, what to expect of it, and how to use a larger one.
ColumnLayout {
    id: note

    required property ChatController chat

    signal cardRequested

    spacing: 6

    Text {
        Layout.fillWidth: true
        text: note.chat.modelName
        textFormat: Text.PlainText
        elide: Text.ElideMiddle
        font.pixelSize: Theme.fontSize
        font.weight: Font.DemiBold
        color: Theme.text
    }
    Text {
        Layout.fillWidth: true
        text: note.chat.modelSummary
        textFormat: Text.PlainText
        wrapMode: Text.Wrap
        font.pixelSize: Theme.smallSize
        color: Theme.muted
    }
    Text {
        Layout.fillWidth: true
        visible: note.chat.shippedModel
        text: qsTr("This small model ships with the program. It was trained on drawn pictures only: it names, counts and finds shapes and pictograms, reads large words and simple charts, and answers in English or Chinese. It does not understand photographs, long numbers and small text are often misread, and it is often wrong outside of what it was trained on.")
        textFormat: Text.PlainText
        wrapMode: Text.Wrap
        lineHeight: 1.2
        font.pixelSize: Theme.fontSize - 1
        color: Theme.text
    }
    Text {
        Layout.fillWidth: true
        visible: !note.chat.modelReadsPictures && note.chat.hasModel
        text: qsTr("This model reads text only.")
        textFormat: Text.PlainText
        wrapMode: Text.Wrap
        font.pixelSize: Theme.fontSize - 1
        color: Theme.text
    }
    TextButton {
        objectName: "modelCardButton"
        visible: note.chat.hasModelCard
        text: qsTr("Model card")
        help: qsTr("Sizes, data, scores and limits of this model")
        onClicked: note.cardRequested()
    }
    Text {
        Layout.fillWidth: true
        text: qsTr("For answers about any picture, open a folder with Step3 weights as published (config.json, tokenizer, .safetensors files). Connecting to a server is not possible in this version.")
        textFormat: Text.PlainText
        wrapMode: Text.Wrap
        lineHeight: 1.2
        font.pixelSize: Theme.smallSize
        color: Theme.muted
    }
}
