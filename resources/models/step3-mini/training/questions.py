"""Questions about any picture: objects (object_questions.py), charts, windows, text, blank, and two
pictures.
"""

from names import QA, article, chinese, english, plural, trace, trace_pair
from object_questions import ObjectAsker
from vocab import COLOUR_NAMES, COLOUR_ZH, SHAPE_ZH, SHAPES

__all__ = ["QA", "ask", "ask_pair", "plural", "trace", "trace_pair"]

CANNOT_READ = ("I can't read the text in the picture.", "我看不清图中的文字，无法读出来。")
CANNOT_CHART = ("I can't read the labels and numbers of the chart.", "我无法读出图表中的文字和数字。")
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"]
NOTHING = ("I don't see any objects in the picture.", "图中没有物体。")


class Asker(ObjectAsker):
    """Adds questions about charts, windows, text and blank pictures."""

    def chart(self):
        r, s = self.r, self.scene
        k = s.kind
        en, zh = dict(
            bar=("bar", "柱状图"),
            line=("line", "折线图"),
            pie=("pie", "饼图"),
            donut=("donut", "环形图"),
        )[k]
        t = r.random()
        if t < 0.34:
            return self.make("chart_type", "chart_type", f"It is a {en} chart.", f"这是{zh}。")
        if t < 0.42:
            return self.make(
                "chart_type", r.choice(("what", "describe")), f"It is a {en} chart.", f"这是{zh}。"
            )
        if t < 0.5:
            return self.unknown()
        if k == "bar":
            n, c = s.info["n"], s.info["colour"]
            if t < 0.72:
                return self.make("count", "bars", f"There are {n} bars.", f"图中有{n}根柱子。")
            if c and t < 0.82:
                return self.make(
                    "color",
                    "colour_of",
                    f"The bars are {c}.",
                    f"柱子是{COLOUR_ZH[c]}的。",
                    lambda zh: dict(s=r.choice(("柱子", "柱形", "条形") if zh else ("bar", "column"))),
                )
            end = r.choice(("highest", "lowest"))
            if end in s.info and t < 0.94:
                n = s.info[end]
                return self.make(
                    "highest",
                    end,
                    f"The {ORDINALS[n - 1]} bar from the left is the {end}.",
                    f"从左数第{n}根柱子最{'高' if end == 'highest' else '低'}。",
                )
            return self.make("chart_value", "read_chart", *CANNOT_CHART)
        if k == "line":
            c, d = s.info["colour"], s.info["trend"]
            if t < 0.82:
                a = dict(
                    up=("It goes up.", "它在上升。"),
                    down=("It goes down.", "它在下降。"),
                    mixed=("It goes up and down.", "它有升有降。"),
                )[d]
                return self.make("trend", "trend", *a)
            if t < 0.9:
                return self.make(
                    "color",
                    "colour_of",
                    f"The line is {c}.",
                    f"线是{COLOUR_ZH[c]}的。",
                    lambda zh: dict(s="线" if zh else "line"),
                )
            return self.make("chart_value", "read_chart", *CANNOT_CHART)
        big, small = s.info["largest"], s.info["smallest"]
        if t < 0.85:
            return self.make(
                "pie", "largest", f"The largest part is {big}.", f"最大的部分是{COLOUR_ZH[big]}的。"
            )
        return self.make(
            "pie", "smallest", f"The smallest part is {small}.", f"最小的部分是{COLOUR_ZH[small]}的。"
        )

    def words(self):
        r, k = self.r, self.scene.kind
        t = r.random()
        if t < 0.5:
            return self.make("ocr", "read_text", *CANNOT_READ)
        if t < 0.8:
            a = ("The picture shows text, but I can't read it.", "图中有文字，但我读不出来。")
            if k == "window":
                a = (
                    "The picture shows a window with text and buttons.",
                    "图中是一个有文字和按钮的窗口。",
                )
            return self.make("what", r.choice(("what", "describe")), *a)
        return self.unknown()

    def blank(self):
        r = self.r
        t = r.random()
        if t < 0.4:
            return self.make("what", r.choice(("what", "describe", "colour_one", "shape_one")), *NOTHING)
        if t < 0.7:
            return self.make("count", "count", "There are 0 objects.", "图中有0个物体。")
        it = r.randrange(len(SHAPES))
        c = r.choice(COLOUR_NAMES)
        s = SHAPES[it]
        return self.make(
            "exists",
            "exists",
            f"No, there is no {c} {s}.",
            f"没有，图中没有{COLOUR_ZH[c]}{SHAPE_ZH[s]}。",
            lambda zh: dict(
                a=COLOUR_ZH[c] + SHAPE_ZH[s] if zh else article(f"{c} {s}"),
                p=COLOUR_ZH[c] + SHAPE_ZH[s] if zh else plural(f"{c} {s}"),
            ),
        )


def ask_pair(r, a, b, n):
    """-> n questions about two pictures with one thing each."""
    k = Asker(r, a)
    x, y = a.items[0], b.items[0]
    e, f, ez, fz = english(x), english(y), chinese(x), chinese(y)
    out = []
    while len(out) < n:
        t = r.random()
        if t < 0.3:
            out.append(
                k.make(
                    "pair", "pair_first", f"The first picture shows {article(e)}.", f"第一张图中有{ez}。"
                )
            )
        elif t < 0.6:
            out.append(
                k.make(
                    "pair",
                    "pair_second",
                    f"The second picture shows {article(f)}.",
                    f"第二张图中有{fz}。",
                )
            )
        elif t < 0.75:
            both = f"The first picture shows {article(e)} and the second shows {article(f)}."
            out.append(k.make("pair", "pair_both", both, f"第一张图中有{ez}，第二张图中有{fz}。"))
        elif t < 0.95:
            same = e == f
            en = (
                f"Yes, both show {article(e)}."
                if same
                else f"No, one shows {article(e)}, the other {article(f)}."
            )
            zh = f"是的，都是{ez}。" if same else f"不是，一张是{ez}，另一张是{fz}。"
            out.append(k.make("pair", "pair_same", en, zh))
        else:
            out.append(k.unknown())
    return out


def ask(r, scene, n):
    """-> n questions about a scene."""
    a = Asker(r, scene)
    if scene.kind == "objects":
        return a.objects(n)
    make = (
        a.chart
        if scene.kind in ("bar", "line", "pie", "donut")
        else a.blank if scene.kind == "blank" else a.words
    )
    return [make() for _ in range(n)]
