import QtQuick
import QtTest
import Step3.Ui

TestCase {
    name: "Theme"

    function luminance(c) {
        const f = v => v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
        return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b);
    }
    function contrast(a, b) {
        const x = luminance(a) + 0.05, y = luminance(b) + 0.05;
        return Math.max(x, y) / Math.min(x, y);
    }
    function cleanup() {
        Theme.mode = "system";
    }
    function test_modes() {
        Theme.mode = "dark";
        verify(Theme.dark);
        verify(luminance(Theme.window) < 0.05);
        Theme.mode = "light";
        verify(!Theme.dark);
        verify(luminance(Theme.window) > 0.8);
        Theme.mode = "system";
        compare(Theme.dark, Theme.system.window.hslLightness < 0.5);
    }
    // WCAG AA for text: 4.5.
    function test_textIsReadable_data() {
        return [
            {
                tag: "light",
                mode: "light"
            },
            {
                tag: "dark",
                mode: "dark"
            }
        ];
    }
    function test_textIsReadable(data) {
        Theme.mode = data.mode;
        for (const ground of [Theme.window, Theme.surface, Theme.sunken, Theme.question]) {
            verify(contrast(Theme.text, ground) >= 7, "text on " + ground);
            verify(contrast(Theme.muted, ground) >= 4.5, "muted on " + ground);
        }
        verify(contrast(Theme.accentText, Theme.accent) >= 4.5);
        verify(contrast(Theme.accent, Theme.window) >= 4.5);
        verify(contrast(Theme.danger, Theme.dangerSurface) >= 4.5);
        verify(contrast(Theme.muted, Theme.dangerSurface) >= 4.5);
        verify(contrast(Theme.text, Theme.selection) >= 4.5);
    }
}
