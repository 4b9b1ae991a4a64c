import QtQuick
import QtTest
import Step3.Chat
import Step3.Ui

Item {
    width: 900
    height: 700

    ChatCase {
        name: "Chat"

        function test_keyboardOnlyFlow() {
            type("what is it");
            compare(chat.draft, "what is it");
            keyClick(Qt.Key_Return, Qt.ShiftModifier);
            type("exactly");
            compare(chat.draft, "what is it\nexactly");
            keyClick(Qt.Key_Return);
            compare(fixture.sentCount(), 1);
            compare(fixture.lastQuestion(), "what is it\nexactly");
            compare(chat.draft, "");
            verify(control("questionInput").activeFocus);
            fixture.write("It is a **star**.");
            fixture.finish();
            tryCompare(chat, "state", ChatController.Ready);
            keyClick(Qt.Key_C, Qt.ControlModifier | Qt.ShiftModifier);
            compare(fixture.clipboard(), "It is a **star**.");
            keyClick(Qt.Key_L, Qt.ControlModifier);
            compare(chat.messages.count, 0);
        }
        function test_enterWithoutQuestionSendsNothing() {
            keyClick(Qt.Key_Return);
            compare(fixture.sentCount(), 0);
        }
        function test_stopWithEscape() {
            ask("tell a story");
            fixture.write("Once");
            verify(control("stopButton").visible);
            verify(!control("sendButton").visible);
            keyClick(Qt.Key_Escape);
            compare(fixture.cancelledCount(), 1);
            fixture.finishStopped();
            tryCompare(chat, "answering", false);
            verify(control("sendButton").visible);
        }
        function test_regenerate() {
            ask("colour?");
            fixture.write("red");
            fixture.finish();
            keyClick(Qt.Key_R, Qt.ControlModifier);
            compare(fixture.sentCount(), 2);
            compare(chat.messages.count, 2);
            fixture.write("blue");
            fixture.finish();
            chat.copyAnswer();
            compare(fixture.clipboard(), "blue");
        }
        function test_clearAndUndo() {
            ask("q");
            fixture.write("a");
            fixture.finish();
            mouseClick(control("clearButton"));
            compare(chat.messages.count, 0);
            tryCompare(control("undoBar"), "visible", true);
            mouseClick(control("undoButton"));
            compare(chat.messages.count, 2);
            tryCompare(control("undoBar"), "visible", false);
            keyClick(Qt.Key_L, Qt.ControlModifier);
            keyClick(Qt.Key_Z, Qt.ControlModifier);
            compare(chat.messages.count, 2);
        }
        function test_shortcutsAskForDialogs() {
            const attach = createTemporaryObject(spy, page, {
                target: page,
                signalName: "attachAsked"
            });
            const open = createTemporaryObject(spy, page, {
                target: page,
                signalName: "openAsked"
            });
            keyClick(Qt.Key_I, Qt.ControlModifier);
            compare(attach.count, 1);
            keyClick(Qt.Key_O, Qt.ControlModifier);
            compare(open.count, 1);
        }
        function test_exampleFillsTheInput() {
            const button = fixture.find(page, "example0");
            verify(button !== null);
            mouseClick(button);
            compare(chat.draft, button.text);
            compare(fixture.sentCount(), 0);
            verify(control("questionInput").activeFocus);
        }
        function test_drop() {
            verify(fixture.drop(page, [fixture.golden("a_64x48.png"), fixture.golden("webp/lossy.webp"), fixture.badPicture()]));
            compare(chat.attachments.count, 3);
            tryCompare(chat.attachments, "busy", false);
            compare(chat.attachments.readyCount, 2);
            ask("what?");
            compare(fixture.lastPictureCount(), 2);
            compare(chat.attachments.count, 0);
        }
        function test_pastePicture() {
            fixture.copyPicture();
            keyClick(Qt.Key_V, Qt.ControlModifier);
            tryCompare(chat.attachments, "readyCount", 1);
        }
        function test_encodedPicture_data() {
            return [
                {tag: "PNG", type: "image/png", name: "a_64x48.png"},
                {tag: "WebP", type: "image/webp", name: "webp/lossy_alpha.webp"}
            ];
        }
        function test_encodedPicture(data) {
            verify(fixture.dropEncoded(page, data.type, data.name));
            tryCompare(chat.attachments, "readyCount", 1);
            fixture.copyEncoded(data.type, data.name);
            keyClick(Qt.Key_V, Qt.ControlModifier);
            tryCompare(chat.attachments, "readyCount", 2);
        }
        function test_problemIsShownWhereItHappens() {
            chat.openFolder("/models/bad");
            fixture.failOpening("config.json: expected an object, found 3");
            tryCompare(control("problemBar"), "visible", true);
            verify(fixture.accessibleName(control("problemBar")).includes("config.json: expected an object, found 3"));
        }
        function test_thinkingIsFolded() {
            ask("q");
            fixture.think("a red circle");
            fixture.write("red");
            fixture.finish();
            tryVerify(() => control("thinkingToggle") !== null);
            const toggle = control("thinkingToggle");
            compare(toggle.checked, false);
            toggle.forceActiveFocus(Qt.TabFocusReason);
            keyClick(Qt.Key_Space);
            compare(toggle.checked, true);
        }
        function test_overflowOffersHelp() {
            ask("q");
            fixture.failWithOverflow();
            tryVerify(() => control("errorBlock") !== null);
            verify(fixture.accessibleName(control("errorBlock")).includes("Ctrl+L"));
        }
        function test_longAnswersAreFollowedUnlessReading() {
            ask("q");
            for (let i = 0; i < 60; ++i)
                fixture.write("Paragraph " + i + "\n\n");
            const list = control("messageList");
            tryVerify(() => list.contentHeight > list.height * 2);
            tryVerify(() => list.atYEnd);
            keyClick(Qt.Key_PageUp);
            tryVerify(() => !list.atYEnd);
            const y = list.contentY;
            for (let i = 0; i < 20; ++i)
                fixture.write("More " + i + "\n\n");
            wait(100);
            fuzzyCompare(list.contentY, y, 1);
            fixture.finish();
        }

        Component {
            id: spy

            SignalSpy {}
        }
    }
}
