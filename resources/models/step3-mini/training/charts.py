"""Bar, line and pie charts with labels and values."""

import math

from PIL import Image, ImageDraw

import lettering
import photos
from canvas import CANVAS, Item, Scene, assets, background, pick_colour
from lettering import fitting, placed, text_size

SERIES = [
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "Mon Tue Wed Thu Fri Sat Sun",
    "Q1 Q2 Q3 Q4",
    "A B C D E F G H",
    "K L M N O P Q R S T",
    "U V W X Y Z",
    "a b c d e f",
    "x y z u v w",
    "2019 2020 2021 2022 2023 2024 2025",
    "1 2 3 4 5 6",
]
NAMES = (
    "Ann Amy Ben Bob Dan Eva Fay Gus Ian Ivy Jim Joe Jon Kim Lea Leo Lou Max Mia Ned Pam Pia Ray Roy Sam Sue Ted Tim "
    "Tom Uma Zoe Anna Emma Jack John Lily Lisa Lucy Mary Mark Nina Paul Rosa east west north south up down left right "
    "tea milk rice corn fish cats dogs car bus bike red blue"
).split()


def labels(r, n):
    """n different category labels: a run of a known series, or names."""
    if r.random() < 0.3:
        out = r.sample(NAMES, n)
        return sorted(out) if r.random() < 0.5 else out
    s = r.choice(SERIES[: 4 if r.random() < 0.6 else None]).split()
    if len(s) < n:
        return labels(r, n)
    k = 0 if r.random() < 0.6 else r.randint(0, len(s) - n)
    return s[k : k + n]


def values(r, n):
    """-> n values and the top of their axis. Highest and lowest are mostly unique."""
    top = r.choice((10, 10, 100, 100, 20, 50))
    step = top // 10
    while True:
        if r.random() < 0.85:
            v = [r.randint(1, 10) * step for _ in range(n)]
        else:
            v = [r.randint(max(1, top // 20), top) for _ in range(n)]
        if r.random() < 0.05 or v.count(max(v)) == v.count(min(v)) == 1:
            return v, top


class Frame:
    """Axis lines, grid lines, tick and category labels of a bar or line chart."""

    def __init__(self, r, n):
        self.r = r
        base = (255, 255, 255) if r.random() < 0.5 else tuple(r.randint(236, 255) for _ in range(3))
        if r.random() < 0.1:
            base = tuple(r.randint(20, 60) for _ in range(3))
        self.base, self.im = base, Image.new("RGB", (CANVAS, CANVAS), base)
        self.d = d = ImageDraw.Draw(self.im)
        dark = sum(base) < 300
        self.ink = ink = tuple(r.choice((210, 235)) if dark else r.choice((20, 60, 90)) for _ in range(3))
        path = r.choice(assets().latin)
        self.font = assets().font(path, r.choice((9, 10, 11, 12, 13, 14)))
        self.stretch = r.choice((1, r.uniform(0.6, 1.1)))  # of its letters, as in a wide picture made square
        self.labels = labels(r, n)
        self.values, self.top = values(r, n)
        self.scene = Scene("bar")
        if r.random() < 0.75:
            big = assets().font(path, r.choice((11, 12, 13, 15, 16)))
            self.text(r.randint(6, 90), r.randint(1, 8), r.choice(lettering.everyday("title")), big)
        self.x0, self.y0 = r.randint(22, 42), r.randint(18, 46)
        self.x1, self.y1 = r.randint(200, 221), r.randint(180, 206)
        soft = tuple((i + 4 * b) // 5 for i, b in zip(ink, base))
        ticks = r.choice((3, 5, 6, 6, 6, 11))
        lines, numbers = r.random() < 0.8, r.random() < 0.93
        for i in range(ticks):
            y = self.y(self.top * i / (ticks - 1))
            if lines:
                d.line((self.x0, y, self.x1, y), fill=soft)
            if numbers:
                s = f"{self.top * i / (ticks - 1):g}"
                self.text(self.x0 - 4 - self.width(s), y - self.font.size * 0.6, s, self.font)
        if r.random() < 0.5:
            d.line((self.x0, self.y0, self.x0, self.y1), fill=ink, width=r.choice((1, 2)))
        d.line((self.x0, self.y1, self.x1, self.y1), fill=ink, width=r.choice((1, 2)))
        self.step = (self.x1 - self.x0) / n
        self.xs = [self.x0 + self.step * (i + 0.5) for i in range(n)]
        widest = max(self.labels, key=self.width)
        font = assets().font(path, fitting(path, self.font.size, widest, 0.94 * self.step / self.stretch))
        for x, s in zip(self.xs, self.labels):
            self.text(x - self.width(s, font) / 2, self.y1 + 4, s, font)
        self.scene.info = dict(n=n, labels=self.labels, values=self.values)

    def y(self, value):
        return self.y1 - (self.y1 - self.y0) * value / self.top

    def width(self, s, font=None):
        return text_size(self.d, font or self.font, s)[0] * self.stretch

    def text(self, x, y, s, font):
        placed(self.scene, self.im, x, y, s, font, self.ink, None, self.stretch)

    def print_values(self, lift):
        for x, v in zip(self.xs, self.values):
            self.text(x - self.width(str(v)) / 2, self.y(v) - self.font.size - lift, str(v), self.font)


def ends(info):
    """Adds the labels of the highest and the lowest value where they are unique."""
    v = info["values"]
    for key, x in (("highest", max(v)), ("lowest", min(v))):
        if v.count(x) == 1:
            info[key] = info["labels"][v.index(x)]


def draw_bar(r):
    n = r.randint(2, 6)
    f = Frame(r, n)
    many = r.random() < 0.15
    name, value = pick_colour(r, f.base)
    f.scene.info["colour"] = None if many else name
    ends(f.scene.info)
    w = f.step * r.uniform(0.22, 0.4)
    corner = r.choice((0, 0, 2, 3, 5))
    for x, v in zip(f.xs, f.values):
        if many:
            name, value = pick_colour(r, f.base)
        y = f.y(v)
        f.d.rounded_rectangle((x - w, y, x + w, f.y1), min(corner, (f.y1 - y) / 2), fill=value)
        box = (x / CANVAS, (y + f.y1) / 2 / CANVAS, w / CANVAS, (f.y1 - y) / 2 / CANVAS)
        f.scene.items.append(Item("bar", 0, name, *box))
    if r.random() < 0.4:
        f.print_values(2)
    return f.im, f.scene


def draw_line(r):
    n = r.randint(3, 6)
    f = Frame(r, n)
    t = r.random()
    if t < 0.65:
        f.values.sort(reverse=t < 0.33)
    v = f.values
    turns = sum((v[i] - v[i - 1]) * (v[i + 1] - v[i]) < 0 for i in range(1, n - 1))
    f.scene.info["trend"] = "mixed" if turns else "up" if v[-1] > v[0] else "down"
    if v[-1] == v[0] and not turns:
        return draw_line(r)
    f.scene.kind = "line"
    ends(f.scene.info)
    name, value = pick_colour(r, f.base)
    f.scene.info["colour"] = name
    pts = [(x, f.y(q)) for x, q in zip(f.xs, v)]
    f.d.line(pts, fill=value, width=r.choice((2, 3, 4)), joint="curve")
    if r.random() < 0.75:
        q = r.choice((2, 3, 4))
        for x, y in pts:
            f.d.ellipse((x - q, y - q, x + q, y + q), fill=f.base if r.random() < 0.4 else value, outline=value)
    if r.random() < 0.2:
        f.print_values(5)
    f.scene.items += [Item("line", 1, name, x / CANVAS, y / CANVAS, 0.05, 0.05) for x, y in pts]
    return f.im, f.scene


def draw_pie(r):
    im, base = background(r)
    d = ImageDraw.Draw(im)
    aspect = math.exp(r.uniform(math.log(0.8), math.log(1.5)))
    n = r.randint(2, 6)
    rad = r.uniform(50, 100) / max(math.sqrt(aspect), 1 / math.sqrt(aspect))
    a, b = rad / math.sqrt(aspect), rad * math.sqrt(aspect)
    x, y = r.uniform(a + 2, CANVAS - a - 2), r.uniform(b + 2, CANVAS - b - 2)
    names, colours = [], []
    while len(names) < n:
        name, value = pick_colour(r, base)
        if name not in names:
            names.append(name)
            colours.append(value)
    w = [r.uniform(0.3, 1) for _ in range(n)]
    k = r.randrange(n)
    w[k] = max(w) * r.uniform(1.2, 2)
    start = r.uniform(0, 360)
    gap = base if r.random() < 0.3 else None
    for q, v in zip(w, colours):
        end = start + 360 * q / sum(w)
        d.pieslice((x - a, y - b, x + a, y + b), start, end, fill=v, outline=gap, width=2)
        start = end
    donut = r.random() < 0.45
    if donut:
        q = r.uniform(0.4, 0.65)
        d.ellipse((x - a * q, y - b * q, x + a * q, y + b * q), fill=base)
    item = Item("pie", 2, None, x / CANVAS, y / CANVAS, a / CANVAS, b / CANVAS)
    info = dict(n=n, largest=names[k], smallest=names[w.index(min(w))])
    return im, Scene("donut" if donut else "pie", [item], info)


DRAW = dict(pie=draw_pie, line=draw_line, bar=draw_bar, window=lettering.draw_window, text=lettering.draw_text, photo=photos.draw_photo)
