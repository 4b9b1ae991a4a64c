"""Questions and answers about scenes of shapes and pictograms, and short dialogues about them."""

from names import QA, article, cell, chinese, clear_cell, english, join, ordered, plural, said, short
from phrases import EN, ZH, expand, roughen
from vocab import (
    CATEGORY_ZH,
    COLOUR_NAMES,
    COLOUR_ZH,
    PICT_CATEGORY,
    PICTOGRAMS,
    POSITIONS,
    SHAPE_ZH,
    SHAPES,
)

CANNOT = ("I can't tell that from the picture.", "从图片中看不出来。")


def exists_slots(name, zh):
    """A thing to look for: with article, with capital article, in the plural, bare."""
    if zh:
        return dict(a=name)
    a = article(name)
    return dict(a=a, A=a.capitalize(), p=plural(name), b0=name)


class ObjectAsker:
    """Collects questions about one scene."""

    def __init__(self, r, scene, zh_share=0.4):
        self.r, self.scene, self.zh_share = r, scene, zh_share
        self.items = ordered(scene) if scene.kind == "objects" else []
        names = [english(i) for i in self.items]
        self.unique = [i for i in self.items if names.count(english(i)) == 1]
        shorts = [short(i, 0) for i in self.items]
        self.short_unique = [i for i in self.items if shorts.count(short(i, 0)) == 1]

    def matching(self, match):
        """Marks of a trace: running number of the things for which match(item) holds."""
        n, out = 0, []
        for it in self.items:
            n += bool(match(it))
            out.append(f"yes {n}" if match(it) else "no")
        return out

    def pointing(self, this, that):
        """Marks of a trace for a question about two things."""
        return ["this" if it is this else "that" if it is that else "no" for it in self.items]

    def make(self, type_, key, en, zh, slots=None, think=True, lang=None, marks=None):
        """slots: function(zh) -> dict for the template; en, zh: answers."""
        z = self.r.random() < self.zh_share if lang is None else lang
        text = expand(self.r, self.r.choice((ZH if z else EN)[key]))
        if slots:
            text = text.format(**slots(z))
        text = text[0].upper() + text[1:]
        return QA(type_, "zh" if z else "en", roughen(self.r, text, z), zh if z else en, think, marks=marks)

    def ref(self, it, zh):
        """A name that points at one item: with colour, or without if the shape alone is unique."""
        return said(self.r, it, zh, not (it in self.short_unique and self.r.random() < 0.4))

    def single(self):
        it = self.items[0]
        e, z = english(it), chinese(it)
        if it.kind == "shape":
            s = SHAPES[it.cls]
            kind = self.r.choices(("colour", "shape", "what", "is_colour", "is_thing"), (4, 5, 2, 1, 1))[
                0
            ]
            if kind == "colour":
                return self.make(
                    "color", "colour_one", f"It is {it.colour}.", f"它是{COLOUR_ZH[it.colour]}的。"
                )
            if kind == "shape":
                return self.make("shape", "shape_one", f"It is {article(s)}.", f"这是{SHAPE_ZH[s]}。")
            if kind == "what":
                return self.make("shape", "what", f"It is {article(e)}.", f"这是{z}。")
            if kind == "is_colour":
                return self.is_colour(it)
            return self.is_thing(it)
        kind = self.r.choices(("what", "is_thing", "category", "which"), (6, 1, 2.2, 0.6))[0]
        if kind == "what":
            return self.make("object", "what", f"It is {article(e)}.", f"这是{z}。")
        if kind == "is_thing":
            return self.is_thing(it)
        k = PICT_CATEGORY[it.cls]
        if kind == "which":
            return self.make(
                "category",
                "category_which",
                f"It is {self.category_name(k)}: {article(e)}.",
                f"这是{CATEGORY_ZH[k]}：{z}。",
            )
        return self.category(it)

    @staticmethod
    def category_name(k):
        return {
            "fruit": "a fruit",
            "food": "food",
            "clothing": "clothing",
            "nature": "a thing of nature",
            "device": "a device",
        }.get(k, article(k))

    def category(self, it):
        k = PICT_CATEGORY[it.cls]
        yes = self.r.random() < 0.5
        ask = k if yes else self.r.choice([c for c in CATEGORY_ZH if c not in (k, "object", "food")])

        def slots(zh):
            return dict(n=CATEGORY_ZH[ask] if zh else ask, k=self.category_name(ask))

        if yes:
            return self.make(
                "category",
                "category",
                f"Yes, it is {self.category_name(k)}.",
                f"是的，这是{CATEGORY_ZH[k]}。",
                slots,
            )
        return self.make(
            "category",
            "category",
            f"No, it is not {self.category_name(ask)}.",
            f"不是，这是{chinese(it)}，不是{CATEGORY_ZH[ask]}。",
            slots,
        )

    def is_colour(self, it):
        yes = self.r.random() < 0.5
        c = it.colour if yes else self.r.choice([c for c in COLOUR_NAMES if c != it.colour])

        def slots(zh):
            return dict(s=said(self.r, it, zh, False), c=COLOUR_ZH[c] if zh else c)

        cz = COLOUR_ZH[it.colour]
        if yes:
            return self.make(
                "color", "is_colour", f"Yes, it is {it.colour}.", f"是的，它是{cz}的。", slots
            )
        return self.make("color", "is_colour", f"No, it is {it.colour}.", f"不是，它是{cz}的。", slots)

    def is_thing(self, it):
        yes = self.r.random() < 0.5
        other = it if yes else self.decoy()

        with_colour = not yes and other.kind == it.kind == "shape" and other.cls == it.cls

        def slots(zh):
            n = said(self.r, other, zh, with_colour or self.r.random() < 0.5)
            return dict(a=n if zh else article(n))

        e, z = english(it), chinese(it)
        if yes:
            return self.make("is", "is_thing", f"Yes, it is {article(e)}.", f"是的，这是{z}。", slots)
        return self.make("is", "is_thing", f"No, it is {article(e)}.", f"不是，这是{z}。", slots)

    def decoy(self):
        """A thing that is not in the picture, often close to one that is."""
        r = self.r
        have = {english(i) for i in self.items}
        while True:
            base = r.choice(self.items)
            it = type(base)(base.kind, base.cls, base.colour, 0, 0, 0, 0)
            t = r.random()
            if t < 0.08:
                it.kind = "pict" if it.kind == "shape" else "shape"
                it.cls = r.randrange(len(PICTOGRAMS) if it.kind == "pict" else len(SHAPES))
                it.colour = r.choice(COLOUR_NAMES) if it.kind == "shape" else None
            elif it.kind == "shape":
                others = [i for i in self.items if i.kind == "shape"]
                if t < 0.4:
                    it.colour = r.choice(others).colour if r.random() < 0.5 else r.choice(COLOUR_NAMES)
                elif t < 0.75:
                    it.cls = r.choice(others).cls if r.random() < 0.3 else r.randrange(len(SHAPES))
                else:
                    it.cls, it.colour = r.randrange(len(SHAPES)), r.choice(COLOUR_NAMES)
            else:
                it.cls = r.randrange(len(PICTOGRAMS))
            if english(it) not in have:
                return it

    def exists(self):
        yes = self.r.random() < 0.5
        it = self.r.choice(self.items) if yes else self.decoy()
        shorts = {short(i, 0) for i in self.items}
        bare = it.kind == "shape" and self.r.random() < 0.2 and (yes or short(it, 0) not in shorts)
        e, z = (short(it, 0), short(it, 1)) if bare else (english(it), chinese(it))

        def slots(zh):
            n = said(self.r, it, zh, not bare)
            return exists_slots(n, zh)

        name = (lambda i: short(i, 0)) if bare else english
        marks = self.matching(lambda i: name(i) == e)
        if yes:
            return self.make("exists", "exists", f"Yes, there is {article(e)}.", f"有，图中有{z}。", slots, marks=marks)
        return self.make("exists", "exists", f"No, there is no {e}.", f"没有，图中没有{z}。", slots, marks=marks)

    def count(self):
        n = len(self.items)
        if n > 1 and self.r.random() < 0.45:
            return self.count_of()
        shapes = all(i.kind == "shape" for i in self.items)
        w = "shape" if shapes and self.r.random() < 0.5 else "object"
        zw = "图形" if shapes else "物体"
        return self.make(
            "count",
            "count",
            f"There {'is' if n == 1 else 'are'} {n} {w if n == 1 else w + 's'}.",
            f"图中有{n}个{zw}。",
        )

    def count_of(self):
        it = self.r.choice(self.items) if self.r.random() < 0.88 else self.decoy()
        t = self.r.random()
        if it.kind == "shape" and t < 0.45:
            match = lambda i: i.kind == "shape" and i.cls == it.cls
            one, z = short(it, 0), short(it, 1)
            many = plural(one)
        elif it.kind == "shape" and t < 0.85:
            match = lambda i: i.colour == it.colour
            w = self.r.choice(("shape", "object", "thing", "figure"))
            one, many, z = f"{it.colour} {w}", f"{it.colour} {w}s", COLOUR_ZH[it.colour] + "图形"
        else:
            match = lambda i: english(i) == english(it)
            one, z = english(it), chinese(it)
            many = plural(one)
        n = sum(map(match, self.items))

        def slots(zh):
            if zh:
                c = COLOUR_ZH.get(it.colour, "")
                alt = [z] + (
                    [c + "的", c + "的东西", c + "的图形", c + "物体"] if z.endswith("图形") else []
                )
                return dict(p=self.r.choice(alt))
            return dict(p=many)

        return self.make(
            "count",
            "count_of",
            f"There {'is' if n == 1 else 'are'} {n} {one if n == 1 else many}.",
            f"有{n}个{z}。",
            slots,
            marks=self.matching(match),
        )

    def colour_of(self):
        pool = [i for i in self.short_unique if i.kind == "shape"]
        if not pool:
            return None
        it = self.r.choice(pool)
        return self.make(
            "color",
            "colour_of",
            f"The {short(it, 0)} is {it.colour}.",
            f"{short(it, 1)}是{COLOUR_ZH[it.colour]}的。",
            lambda zh: dict(s=said(self.r, it, zh, False)),
            marks=self.matching(lambda i: i is it),
        )

    def shape_of(self):
        pool = [
            i
            for i in self.items
            if i.kind == "shape" and sum(j.colour == i.colour for j in self.items) == 1
        ]
        if not pool:
            return None
        it = self.r.choice(pool)
        return self.make(
            "shape",
            "shape_of",
            f"The {it.colour} one is {article(short(it, 0))}.",
            f"{COLOUR_ZH[it.colour]}的是{short(it, 1)}。",
            lambda zh: dict(c=COLOUR_ZH[it.colour] if zh else it.colour),
            marks=self.matching(lambda i: i is it),
        )

    def position(self):
        pool = [i for i in self.unique if clear_cell(i)]
        if not pool:
            return None
        it = self.r.choice(pool)
        return self.make(
            "position",
            "position",
            *self.place_answer(it),
            lambda zh: dict(a=self.ref(it, zh)),
            marks=self.matching(lambda i: i is it),
        )

    @staticmethod
    def place_answer(it):
        p, pz = POSITIONS[cell(it)]
        where = (
            "on the " + p
            if p in ("left", "right")
            else "in the center" if p == "center" else "at the " + p
        )
        return f"The {english(it)} is {where}.", f"{chinese(it)}在{pz}。"

    def relation(self):
        pairs = [(a, b) for a in self.unique for b in self.unique if a is not b]
        r = self.r
        r.shuffle(pairs)
        for a, b in pairs[:6]:

            def slots(zh, d=None):
                return dict(a=self.ref(a, zh), b=self.ref(b, zh), d=d)

            dx, dy, marks = a.x - b.x, a.y - b.y, self.pointing(a, b)
            e, f, ez, fz = english(a), english(b), chinese(a), chinese(b)
            if abs(dx) > 0.08 and (abs(dy) < 0.2 or r.random() < 0.7):
                side, zside = ("left", "左边") if dx < 0 else ("right", "右边")
                if r.random() < 0.7:
                    return self.make(
                        "relation",
                        "left_right",
                        f"The {e} is to the {side} of the {f}.",
                        f"{ez}在{fz}的{zside}。",
                        slots,
                        marks=marks,
                    )
                ask = r.choice(("left", "right"))
                yes, no = ("Yes", "是的") if ask == side else ("No", "不是")
                az = dict(left="左边", right="右边")[ask]
                return self.make(
                    "relation",
                    "is_side",
                    f"{yes}, the {e} is to the {side} of the {f}.",
                    f"{no}，{ez}在{fz}的{zside}。",
                    lambda zh: slots(zh, az if zh else ask),
                    marks=marks,
                )
            if abs(dy) > 0.1:
                side, zside = ("above", "上面") if dy < 0 else ("below", "下面")
                if r.random() < 0.7:
                    return self.make(
                        "relation",
                        "above_below",
                        f"The {e} is {side} the {f}.",
                        f"{ez}在{fz}的{zside}。",
                        slots,
                        marks=marks,
                    )
                ask = r.choice(("above", "below"))
                yes, no = ("Yes", "是的") if ask == side else ("No", "不是")
                az = dict(above="上面", below="下面")[ask]
                return self.make(
                    "relation",
                    "is_vertical",
                    f"{yes}, the {e} is {side} the {f}.",
                    f"{no}，{ez}在{fz}的{zside}。",
                    lambda zh: slots(zh, az if zh else ask),
                    marks=marks,
                )
        return None

    def side(self):
        xs, ys = self.items, sorted(self.items, key=lambda i: i.y)
        c = []
        if xs[1].x - xs[0].x > 0.08:
            c.append(("left", "左边", xs[0]))
        if xs[-1].x - xs[-2].x > 0.08:
            c.append(("right", "右边", xs[-1]))
        if ys[1].y - ys[0].y > 0.1:
            c.append(("top", "上面", ys[0]))
        if ys[-1].y - ys[-2].y > 0.1:
            c.append(("bottom", "下面", ys[-1]))
        if not c:
            return None
        d, dz, it = self.r.choice(c)
        on = "at" if d in ("top", "bottom") else "on"
        return self.make(
            "side",
            "side",
            f"The {english(it)} is {on} the {d}.",
            f"{dz}的是{chinese(it)}。",
            lambda zh: dict(d=dz if zh else d),
        )

    def describe(self):
        return self.make(
            "describe",
            "describe",
            f"The picture shows {join([article(english(i)) for i in self.items], 0)}.",
            f"图中有{join([chinese(i) for i in self.items], 1)}。",
        )

    def no_text(self):
        return self.make("no_text", "read_text", "There is no text in the picture.", "图中没有文字。")

    def unknown(self):
        return self.make("unknown", "unknown", *CANNOT, think=False)

    def dialogue(self):
        """An earlier question about the same picture, then a short follow-up."""
        r, z = self.r, self.r.random() < self.zh_share
        keep, self.zh_share = self.zh_share, float(z)
        first = None
        n = len(self.items)
        t = r.random()
        qa = None
        if n >= 2 and t < 0.45:
            pool = [i for i in self.short_unique if i.kind == "shape"]
            if pool:
                it = r.choice(pool)
                first = r.choice((self.count, self.count, self.describe, self.exists, self.colour_of))()
                bare = first is not None and first.type == "color" or r.random() < 0.35
                key = "second_colour" if bare else "colour_of"
                qa = self.make(
                    "multi_turn",
                    key,
                    f"The {short(it, 0)} is {it.colour}.",
                    f"{short(it, 1)}是{COLOUR_ZH[it.colour]}的。",
                    lambda zh: dict(s=said(r, it, zh, False)),
                    marks=self.matching(lambda i: i is it),
                )
        elif n == 2 and t < 0.8 and english(self.items[0]) != english(self.items[1]):
            a, b = r.sample(self.items, 2)
            e, ez = english(a), chinese(a)
            bare = a.kind == "shape" and short(a, 0) != short(b, 0) and r.random() < 0.6

            def slots(zh):
                return exists_slots(said(r, a, zh, not bare), zh)

            first = self.make(
                "exists", "exists", f"Yes, there is {article(e)}.", f"有，图中有{ez}。", slots
            )
            if r.random() < 0.3:
                first.answer = f"有{ez}。" if z else f"Yes, I see {article(e)}."
            qa = self.make(
                "multi_turn",
                "other",
                f"The other one is {article(english(b))}.",
                f"另一个是{chinese(b)}。",
                marks=self.pointing(b, a),
            )
        elif n == 1:
            it = self.items[0]
            first = self.single()
            if it.kind == "shape" and first.type != "color" and r.random() < 0.5:
                qa = self.make(
                    "multi_turn", "colour_one", f"It is {it.colour}.", f"它是{COLOUR_ZH[it.colour]}的。"
                )
            elif clear_cell(it):
                qa = self.make("multi_turn", "where_it", *self.place_answer(it))
        else:
            first = r.choice((self.describe, self.exists, self.side, self.colour_of))()
            w, zw = (
                ("shape", "图形") if all(i.kind == "shape" for i in self.items) else ("object", "物体")
            )
            qa = self.make(
                "multi_turn",
                "total",
                f"There {'is' if n == 1 else 'are'} {n} {w if n == 1 else w + 's'}.",
                f"图中有{n}个{zw}。",
            )
        self.zh_share = keep
        if first is None or qa is None:
            return None
        qa.history = [(first.question, first.answer)]
        return qa

    def objects(self, n):
        many = len(self.items) > 1
        table = [
            (self.count, 3),
            (self.exists, 3),
            (self.position, 1.6),
            (self.describe, 1.6),
            (self.unknown, 0.9),
            (self.no_text, 0.25),
            (self.dialogue, 2),
        ]
        table += (
            [(self.relation, 2), (self.side, 1), (self.colour_of, 1.6), (self.shape_of, 1.6)]
            if many
            else [(self.single, 10)]
        )
        out = []
        while len(out) < n:
            f = self.r.choices([t[0] for t in table], [t[1] for t in table])[0]
            qa = f()
            if qa is not None:
                out.append(qa)
        return out
