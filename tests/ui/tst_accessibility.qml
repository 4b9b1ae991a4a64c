import QtQuick
import QtTest
import Step3.Ui

Item {
    width: 900
    height: 700

    ChatCase {
        name: "Accessibility"

        function test_everyControlHasAName() {
            verify(fixture.interactiveCount(page) >= 8);
            compare(fixture.unnamed(page), []);
            fixture.drop(page, [fixture.golden("a_64x48.png"), fixture.badPicture()]);
            tryCompare(chat.attachments, "busy", false);
            compare(fixture.unnamed(page), []);
            ask("q");
            compare(fixture.unnamed(page), []);
            fixture.think("hm");
            fixture.write("text [link](https://example.org)\n\n```py\ncode\n```\n\n| a |\n|---|\n| b |\n");
            fixture.finish();
            wait(50);
            compare(fixture.unnamed(page), []);
            ask("too long");
            fixture.failWithOverflow();
            wait(50);
            compare(fixture.unnamed(page), []);
            chat.clear();
            compare(fixture.unnamed(page), []);
            chat.openFolder("/models/bad");
            fixture.failOpening("bad");
            compare(fixture.unnamed(page), []);
        }
        function test_licencesAreShown() {
            keyClick(Qt.Key_F1);
            const overlay = page.Window.contentItem;
            tryVerify(() => fixture.find(overlay, "licenceList") !== null);
            const list = fixture.find(overlay, "licenceList");
            const text = fixture.find(overlay, "licenceText");
            verify(list.count >= 10);
            verify(text.text.includes("Apache License"));
            list.forceActiveFocus(Qt.TabFocusReason);
            for (let i = 1; i < list.count; ++i) {
                keyClick(Qt.Key_Down);
                compare(list.currentIndex, i);
                verify(text.text.length > 200, "no licence text for row " + i);
            }
            compare(fixture.unnamed(overlay), []);
            keyClick(Qt.Key_Escape);
            tryVerify(() => !list.visible);
        }
        function test_theModelTellsAboutItself() {
            verify(!control("modelCardButton").visible);
            fixture.openFolder(fixture.shippedFolder());
            const button = control("modelCardButton");
            tryVerify(() => button.visible);
            button.forceActiveFocus(Qt.TabFocusReason);
            page.dialogsEnabled = true;
            keyClick(Qt.Key_Space);
            const overlay = page.Window.contentItem;
            tryVerify(() => fixture.find(overlay, "modelCardClose") !== null);
            tryVerify(() => fixture.find(overlay, "modelCardClose").visible);
            verify(chat.modelCard.rowCount() > 2);
            compare(fixture.unnamed(overlay), []);
            keyClick(Qt.Key_Escape);
            tryVerify(() => !(fixture.find(overlay, "modelCardClose")?.visible ?? false));
        }
        function test_tabReachesEveryControl() {
            ask("q");
            fixture.write("answer");
            fixture.finish();
            chat.draft = "next";
            const reached = new Set();
            for (let i = 0; i < 40; ++i) {
                keyClick(Qt.Key_Tab);
                const name = page.Window.activeFocusItem?.objectName ?? "";
                if (name.length > 0)
                    reached.add(name);
            }
            for (const name of ["questionInput", "attachButton", "sendButton", "modelButton", "copyButton", "regenerateButton", "clearButton"])
                verify(reached.has(name), name + " is not reached with Tab; reached: " + Array.from(reached).join(" "));
        }
    }
}
