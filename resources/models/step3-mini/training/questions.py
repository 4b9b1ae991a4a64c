"""Questions about any picture: objects (object_questions.py), charts, windows, text, blank, and two
pictures.
"""

from names import QA, article, chinese, english, plural, trace, trace_pair
from object_questions import ObjectAsker, exists_slots
from reading_questions import ReadingAsker
from vocab import COLOUR_NAMES, COLOUR_ZH, SHAPE_ZH, SHAPES

__all__ = ["QA", "ask", "ask_pair", "plural", "trace", "trace_pair"]

NOTHING = ("I don't see any objects in the picture.", "图中没有物体。")


class Asker(ObjectAsker, ReadingAsker):
    """Adds questions about blank pictures and picks the kind of question that fits the scene."""

    def one(self):
        kind = self.scene.kind
        if kind == "text":
            return self.words()
        if kind in ("window", "blank", "photo"):
            return getattr(self, kind)()
        return self.chart()

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
            lambda zh: exists_slots(COLOUR_ZH[c] + SHAPE_ZH[s] if zh else f"{c} {s}", zh),
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
    return a.objects(n) if scene.kind == "objects" else [a.one() for _ in range(n)]
