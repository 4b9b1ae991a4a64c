"""Names of things in English and Chinese, the question record, and the reasoning trace.

The trace is one English line that lists what is seen, from left to right, with a running number and a
place on a 3x3 grid: "1 red circle top left; 2 fox center". Where the question names things, each listed thing is
marked as asked for or not: "1 red circle top left: yes 1; 2 fox center: no; 3 red circle right: yes 2". Sums are
worked out digit by digit.
"""

from dataclasses import dataclass, field

from vocab import (
    COLOUR_ZH,
    PICT_ALIAS,
    PICT_EN,
    PICT_ZH,
    POSITIONS,
    SHAPE_ALIASES,
    SHAPE_ZH,
    SHAPE_ZH_ALIASES,
    SHAPES,
)


@dataclass
class QA:
    """One question. think: the trace comes before the answer; history: earlier (question, answer) pairs;
    marks: what the trace says behind each thing, from left to right, if the question names some; steps: what it
    ends with, if something has to be worked out.
    """

    type: str
    lang: str
    question: str
    answer: str
    think: bool = True
    history: list = field(default_factory=list)
    marks: list | None = None
    steps: str = ""


def article(w):
    return ("an " if w[0] in "aeiou" else "a ") + w


def plural(w):
    head, _, tail = w.partition(" of ")
    if tail:
        return plural(head) + " of " + tail
    if w in ("sheep", "fish"):
        return w
    if w == "mouse":
        return "mice"
    if w.endswith(("x", "s", "ch", "sh")):
        return w + "es"
    if w.endswith("y") and w[-2] not in "aeiou":
        return w[:-1] + "ies"
    return w + "s"


def english(it):
    return f"{it.colour} {SHAPES[it.cls]}" if it.kind == "shape" else PICT_EN[it.cls]


def chinese(it):
    return COLOUR_ZH[it.colour] + SHAPE_ZH[SHAPES[it.cls]] if it.kind == "shape" else PICT_ZH[it.cls]


def short(it, zh):
    """Name without colour."""
    if it.kind == "pict":
        return PICT_ZH[it.cls] if zh else PICT_EN[it.cls]
    return SHAPE_ZH[SHAPES[it.cls]] if zh else SHAPES[it.cls]


def said(r, it, zh, colour=True):
    """A name as a person might say it: aliases for shapes and pictograms."""
    if it.kind == "pict":
        if zh:
            return PICT_ZH[it.cls]
        return PICT_ALIAS[it.cls] if PICT_ALIAS[it.cls] and r.random() < 0.3 else PICT_EN[it.cls]
    s = SHAPES[it.cls]
    table = SHAPE_ZH_ALIASES if zh else SHAPE_ALIASES
    name = r.choice(table[s]) if s in table and r.random() < 0.15 else (SHAPE_ZH[s] if zh else s)
    if not colour:
        return name
    c = it.colour
    if zh:
        return COLOUR_ZH[c] + ("的" if r.random() < 0.35 else "") + name
    return ("grey" if c == "gray" and r.random() < 0.3 else c) + " " + name


def join(words, zh):
    if len(words) == 1:
        return words[0]
    return ("、".join(words[:-1]) + "和" if zh else ", ".join(words[:-1]) + " and ") + words[-1]


def cell(it):
    return min(2, int(it.x * 3)), min(2, int(it.y * 3))


def clear_cell(it):
    """The place on the 3x3 grid is not a close call."""
    return all(abs(v * 3 - q) > 0.14 for v in (it.x, it.y) for q in (1, 2))


def ordered(scene):
    return sorted(scene.items, key=lambda i: i.x)


def marked(seen, marks):
    """Entries of a trace with their marks behind them."""
    return [f"{s}: {m}" if m else s for s, m in zip(seen, marks)] if marks else seen


def trace(scene, qa=None):
    """-> the reasoning line of a scene, for a question."""
    marks = qa and qa.marks
    if scene.kind == "objects":
        seen = [f"{i + 1} {english(it)} {POSITIONS[cell(it)][0]}" for i, it in enumerate(ordered(scene))]
        return "; ".join(marked(seen, marks))
    i = scene.info
    if scene.kind in ("bar", "line"):
        head = [f"bar chart, {i['n']} bars"] if scene.kind == "bar" else [f"line chart, {i['trend']}"]
        head += [i["colour"]] if i["colour"] else []
        points = marked([f"{a} {v}" for a, v in zip(i["labels"], i["values"])], marks)
        ends = [f"{k} {i[k]}" for k in ("highest", "lowest") if k in i]
        return "; ".join([", ".join(head)] + points + ends)
    if scene.kind in ("pie", "donut"):
        return f"{scene.kind} chart, {i['n']} parts, largest {i['largest']}, smallest {i['smallest']}"
    if scene.kind == "text":
        lines = i["lines"]
        if i["kind"] == "number":
            return f"{lines[0][1]} number {lines[0][0]}" + (f"; {qa.steps}" if qa and qa.steps else "")
        return "; ".join(f'line {k + 1} {c} "{s}"' for k, (s, c) in enumerate(lines))
    if scene.kind == "window":
        buttons = "; ".join(f'{c} "{s}"' for s, c in i["buttons"])
        return f'window; title "{i["title"]}"; message "{i["message"]}"; {buttons}'
    return dict(photo="photo", blank="nothing")[scene.kind]


def trace_pair(a, b):
    """Reasoning line for two pictures."""
    return f"first: {trace(a)}. second: {trace(b)}"
