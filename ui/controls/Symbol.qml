import QtQuick
import QtQuick.Controls.impl

/// One of the program's pictures, in a colour. Decoration only: what it means is said by the control it stands in.
IconImage {
    id: symbol

    required property string symbolName
    property int size: 18

    width: size
    height: size
    sourceSize: Qt.size(size, size)
    source: "qrc:/step3/icons/" + symbolName + ".svg"
}
