pragma Singleton

import QtQuick

/// Colours, sizes and fonts of the whole window. Light or dark follows the platform's palette unless `mode` says otherwise.
QtObject {
    id: theme

    /// "system", "light" or "dark".
    property string mode: "system"
    property string monoFamily: "monospace"

    readonly property SystemPalette system: SystemPalette {
        colorGroup: SystemPalette.Active
    }
    readonly property bool dark: mode === "dark" || (mode !== "light" && system.window.hslLightness < 0.5)

    readonly property color window: dark ? "#16181c" : "#f6f6f3"
    readonly property color surface: dark ? "#1f2227" : "#ffffff"
    readonly property color sunken: dark ? "#1a1c21" : "#efefeb"
    readonly property color hover: dark ? "#2a2e35" : "#eaeae5"
    readonly property color pressed: dark ? "#343942" : "#dfdfd9"
    readonly property color border: dark ? "#363b44" : "#dcdcd6"
    readonly property color text: dark ? "#e8eaed" : "#1e2227"
    readonly property color muted: dark ? "#a4abb5" : "#5b626c"
    readonly property color disabled: dark ? "#636a75" : "#a2a7ae"
    readonly property color accent: dark ? "#8fb0ff" : "#2a5bd0"
    readonly property color accentText: dark ? "#0f1420" : "#ffffff"
    readonly property color accentHover: dark ? "#a9c2ff" : "#1f4cb8"
    readonly property color question: dark ? "#27324b" : "#e4ebfa"
    readonly property color danger: dark ? "#ff9f97" : "#a8231b"
    readonly property color dangerSurface: dark ? "#38211f" : "#fcebe9"
    readonly property color dangerBorder: dark ? "#5d302d" : "#f1c8c4"
    readonly property color good: dark ? "#7ed6a0" : "#1d7f45"
    readonly property color selection: dark ? "#3c5389" : "#bcd0f7"

    readonly property int fontSize: Math.max(14, Math.round(Qt.application.font.pixelSize * 1.07))
    readonly property int smallSize: Math.max(12, fontSize - 2)
    readonly property int titleSize: Math.round(fontSize * 1.75)
    readonly property int radius: 10
    readonly property int gap: 8
    /// Widest line of text that is comfortable to read.
    readonly property int columnWidth: 760

    /// Style sheet in front of every rich text of a message.
    readonly property string css: "<style>" + "p,li{line-height:132%} p{margin-top:0px;margin-bottom:8px}"
                                  + " ul,ol{margin-top:0px;margin-bottom:8px;margin-left:0px} li{margin-top:0px;margin-bottom:3px}"
                                  + " h2{font-size:" + Math.round(fontSize * 1.4) + "px;margin-top:6px;margin-bottom:8px}"
                                  + " h3{font-size:" + Math.round(fontSize * 1.22) + "px;margin-top:6px;margin-bottom:6px}"
                                  + " h4,h5,h6{font-size:" + Math.round(fontSize * 1.08) + "px;margin-top:4px;margin-bottom:6px}"
                                  + " blockquote{margin-left:14px;margin-right:0px;color:" + muted + "}"
                                  + " code,pre{font-family:'" + monoFamily + "';background-color:" + sunken + ";font-size:"
                                  + (fontSize - 1) + "px}" + " a{color:" + accent + ";text-decoration:underline}" + "</style>"
}
