import QtQuick
import QtQuick.Layouts
import Step3.Chat
import Step3.Ui

/// What the model is doing and how fast: state, time to first token, time per token, tokens, use of the KV cache.
Item {
    id: line

    required property ChatController chat
    readonly property string stateText: {
        switch (chat.state) {
        case ChatController.NoModel:
            return qsTr("No model");
        case ChatController.Opening:
            return qsTr("Opening %1… %2 %").arg(chat.openingName).arg(Math.round(chat.openProgress * 100));
        case ChatController.Ready:
            return qsTr("Ready");
        case ChatController.Reading:
            return chat.prefillTotal > 0 ? qsTr("Reading %1 of %2 tokens").arg(number(chat.prefillDone, 0)).arg(number(chat.prefillTotal, 0))
                                         : qsTr("Reading");
        case ChatController.Thinking:
            return qsTr("Thinking");
        case ChatController.Writing:
            return qsTr("Writing");
        default:
            return qsTr("Stopping");
        }
    }
    readonly property var figures: {
        const all = [];
        if (chat.ttftMs > 0)
            all.push([qsTr("First token"), duration(chat.ttftMs), qsTr("Time to first token (TTFT)")]);
        if (chat.tpotMs > 0)
            all.push([qsTr("Per token"), duration(chat.tpotMs), qsTr("Mean time per output token (TPOT)")]);
        if (chat.promptTokens > 0 || chat.answerTokens > 0)
            all.push([qsTr("Tokens"), qsTr("%1 in, %2 out").arg(number(chat.promptTokens, 0)).arg(number(chat.answerTokens, 0)), chat.imageTokens
                      > 0 ? qsTr("Tokens read, %1 of them pictures, and written").arg(number(chat.imageTokens, 0)) : qsTr("Tokens read and written")]);
        if (chat.kvCapacity > 0)
            all.push([qsTr("KV cache"), qsTr("%1 of %2").arg(number(chat.kvUsed, 0)).arg(number(chat.kvCapacity, 0)), qsTr(
                          "Tokens kept in the key-value cache, and its size")]);
        return all;
    }

    function number(value: real, digits: int): string {
        return Number(value).toLocaleString(Qt.locale(), "f", digits);
    }
    function duration(ms: real): string {
        return ms >= 1000 ? qsTr("%1 s").arg(number(ms / 1000, 2)) : qsTr("%1 ms").arg(number(ms, ms < 10 ? 1 : 0));
    }

    implicitHeight: 26

    Accessible.role: Accessible.StatusBar
    Accessible.name: [stateText].concat(figures.map(f => f[0] + " " + f[1])).join(", ")

    RowLayout {
        anchors.fill: parent
        spacing: 14

        Row {
            Layout.alignment: Qt.AlignVCenter
            spacing: 7

            Rectangle {
                anchors.verticalCenter: parent.verticalCenter
                width: 8
                height: 8
                radius: 4
                color: line.chat.state === ChatController.Ready ? Theme.good : line.chat.state === ChatController.NoModel
                                                                  ? Theme.disabled : Theme.accent
            }
            Text {
                text: line.stateText
                textFormat: Text.PlainText
                font.pixelSize: Theme.smallSize
                color: Theme.muted
            }
        }
        Item {
            Layout.fillWidth: true
        }
        Repeater {
            model: line.figures

            Text {
                id: figure

                required property var modelData
                required property int index

                Layout.alignment: Qt.AlignVCenter
                // In a narrow window the state matters more than the last figures.
                visible: line.width > 320 + index * 120
                text: figure.modelData[0] + " <b>" + figure.modelData[1] + "</b>"
                textFormat: Text.StyledText
                font.pixelSize: Theme.smallSize
                color: Theme.muted
                Accessible.ignored: true

                HoverHandler {
                    id: hover
                }
                Tip {
                    visible: hover.hovered
                    text: figure.modelData[2]
                }
            }
        }
    }
}
