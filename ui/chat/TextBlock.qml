import QtQuick
import Step3.Ui

/// Paragraphs, lists and headings of a message. Text can be selected; links are only announced, never followed from here.
TextEdit {
    id: edit

    property string html: ""
    property string plain: ""
    readonly property bool hasLinks: html.includes("<a href=")

    signal linkRequested(string target)

    text: Theme.css + html
    textFormat: TextEdit.RichText
    wrapMode: TextEdit.Wrap
    readOnly: true
    selectByMouse: true
    selectByKeyboard: hasLinks
    activeFocusOnTab: hasLinks
    font.pixelSize: Theme.fontSize
    color: Theme.text
    selectionColor: Theme.selection
    selectedTextColor: Theme.text

    Accessible.role: Accessible.StaticText
    Accessible.name: plain
    Accessible.readOnly: true

    onLinkActivated: link => edit.linkRequested(link)
    // With the keyboard: the cursor is moved onto a link, Return asks for it.
    Keys.onReturnPressed: event => {
        const target = edit.linkAt(edit.cursorRectangle.x + 1, edit.cursorRectangle.y + edit.cursorRectangle.height / 2);
        event.accepted = target.length > 0;
        if (target.length > 0)
            edit.linkRequested(target);
    }

    HoverHandler {
        cursorShape: edit.hoveredLink.length > 0 ? Qt.PointingHandCursor : Qt.IBeamCursor
    }
    FocusRing {
        visible: edit.activeFocus && edit.hasLinks
    }
}
