import QtQuick
import QtTest
import Step3.Ui

/// A test case around one ChatPage with a fresh conversation for each function.
TestCase {
    id: testCase

    property var chat
    property Item page

    function init() {
        chat = fixture.newChat();
        page = createTemporaryObject(pageComponent, testCase.parent, {
            chat: chat
        });
        verify(page !== null);
        page.forceActiveFocus();
        tryVerify(() => control("questionInput").activeFocus);
    }
    function cleanup() {
        page.destroy();
        wait(0);
    }
    function control(name) {
        return fixture.find(page, name);
    }
    function type(text) {
        for (const c of text)
            keyClick(c);
    }
    function ask(text) {
        chat.draft = text;
        keyClick(Qt.Key_Return);
    }

    when: windowShown

    Component {
        id: pageComponent

        ChatPage {
            anchors.fill: parent
            focus: true
            dialogsEnabled: false
        }
    }
}
