"""Bar, line and pie charts, dialog windows and lines of text."""

import math

from PIL import Image, ImageDraw

from canvas import CANVAS, Item, Scene, assets, background, pick_colour

LABELS = [
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
    ["A", "B", "C", "D", "E", "F"],
    ["x", "y", "z", "u", "v", "w"],
    ["May", "Jun", "Jul", "Aug", "Sep", "Oct"],
    ["2019", "2020", "2021", "2022", "2023", "2024"],
    ["Tom", "Eva", "Max", "Lea", "Jon", "Pia"],
    ["east", "west", "north", "south", "mid", "all"],
    ["1", "2", "3", "4", "5", "6"],
]
WORDS = (
    "time year people way day world life hand part child eye woman place work week case point number group "
    "problem fact apple river stone light paper green water music north table chair bread milk honey cloud "
    "Error Welcome Open File Help Menu Start Stop Next Back Login Total Price Room Exit Sale Hello"
).split()
CJK_WORDS = "你好 谢谢 出口 入口 中国 北京 上海 今天 明天 学校 老师 学生 朋友 水果 火车 飞机 手机 电脑 安全 时间".split()


def text_size(d, font, s):
    b = d.textbbox((0, 0), s, font=font)
    return b[2] - b[0], b[3] - b[1]


def axes(r, d, ink, font, labels, x0, y0, x1, y1):
    """Axis lines, a few grid lines, tick and category labels; -> centres of the categories."""
    soft = tuple((v + 3 * 215) // 4 for v in ink)
    ticks = r.randint(3, 6)
    for i in range(ticks):
        y = y0 + (y1 - y0) * i / (ticks - 1)
        if r.random() < 0.9:
            d.line((x0, y, x1, y), fill=soft)
        d.text((x0 - 20, y - 5), str((ticks - 1 - i) * r.choice((1, 2, 20))), font=font, fill=ink)
    if r.random() < 0.6:
        d.line((x0, y0, x0, y1), fill=ink, width=r.choice((1, 2)))
    d.line((x0, y1, x1, y1), fill=ink, width=r.choice((1, 2)))
    step = (x1 - x0) / len(labels)
    xs = [x0 + step * (i + 0.5) for i in range(len(labels))]
    for x, s in zip(xs, labels):
        w, _ = text_size(d, font, s)
        d.text((x - w / 2, y1 + 4), s, font=font, fill=ink)
    return xs, step


def chart_canvas(r):
    base = (255, 255, 255) if r.random() < 0.5 else tuple(r.randint(236, 255) for _ in range(3))
    if r.random() < 0.08:
        base = tuple(r.randint(20, 60) for _ in range(3))
    im = Image.new("RGB", (CANVAS, CANVAS), base)
    d = ImageDraw.Draw(im)
    ink = (50, 50, 50) if sum(base) > 300 else (220, 220, 220)
    font = assets().font(r.choice(assets().latin), r.choice((9, 10, 12)))
    if r.random() < 0.7:
        big = assets().font(r.choice(assets().latin), r.choice((12, 14, 16)))
        d.text((r.randint(6, 110), r.randint(2, 10)), r.choice(WORDS).capitalize(), font=big, fill=ink)
    return im, d, base, ink, font


def draw_bar(r):
    im, d, base, ink, font = chart_canvas(r)
    n = r.randint(2, 6)
    x0, y0, x1, y1 = r.randint(18, 40), r.randint(24, 46), r.randint(198, 220), r.randint(182, 204)
    xs, step = axes(r, d, ink, font, r.choice(LABELS)[:n], x0, y0, x1, y1)
    name, value = pick_colour(r, base)
    many = r.random() < 0.2
    scene = Scene("bar", info=dict(n=n, colour=None if many else name))
    w = step * r.uniform(0.22, 0.4)
    part = [r.choice((0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)) for _ in xs]
    if part.count(max(part)) == 1:
        scene.info["highest"] = part.index(max(part)) + 1
    if part.count(min(part)) == 1:
        scene.info["lowest"] = part.index(min(part)) + 1
    for x, q in zip(xs, part):
        if many:
            name, value = pick_colour(r, base)
        h = (y1 - y0) * q
        d.rounded_rectangle((x - w, y1 - h, x + w, y1), r.choice((0, 0, 3, 5)), fill=value)
        if r.random() < 0.3:
            d.text((x - 6, y1 - h - 12), str(r.randint(1, 99)), font=font, fill=ink)
        scene.items.append(
            Item("bar", 0, name, x / CANVAS, (y1 - h / 2) / CANVAS, w / CANVAS, h / 2 / CANVAS)
        )
    return im, scene


def draw_line(r):
    im, d, base, ink, font = chart_canvas(r)
    n = r.randint(3, 6)
    x0, y0, x1, y1 = r.randint(18, 40), r.randint(24, 46), r.randint(198, 220), r.randint(182, 204)
    xs, _ = axes(r, d, ink, font, r.choice(LABELS)[:n], x0, y0, x1, y1)
    name, value = pick_colour(r, base)
    t = r.random()
    ys = sorted(r.uniform(0, 1) for _ in range(n))
    trend = "up"
    if t < 0.2:
        r.shuffle(ys)
        turns = sum((ys[i] - ys[i - 1]) * (ys[i + 1] - ys[i]) < 0 for i in range(1, n - 1))
        trend = "mixed" if turns else "up" if ys[-1] > ys[0] else "down"
    elif t < 0.6:
        ys.reverse()
        trend = "down"
    if abs(ys[-1] - ys[0]) < 0.25 and trend != "mixed":
        ys[0], ys[-1] = (0.0, 1.0) if trend == "up" else (1.0, 0.0)
    pts = [(x, y1 - 4 - (y1 - y0 - 8) * y) for x, y in zip(xs, ys)]
    d.line(pts, fill=value, width=r.choice((2, 3, 4)), joint="curve")
    if r.random() < 0.7:
        q = r.choice((2, 3, 4))
        for x, y in pts:
            d.ellipse(
                (x - q, y - q, x + q, y + q), fill=base if r.random() < 0.4 else value, outline=value
            )
    items = [Item("line", 1, name, x / CANVAS, y / CANVAS, 0.05, 0.05) for x, y in pts]
    return im, Scene("line", items, dict(trend=trend, colour=name))


def draw_pie(r):
    im, base = background(r)
    d = ImageDraw.Draw(im)
    aspect = math.exp(r.uniform(math.log(0.8), math.log(1.5)))
    n = r.randint(2, 5)
    rad = r.uniform(50, 100) / max(math.sqrt(aspect), 1 / math.sqrt(aspect))
    a, b = rad / math.sqrt(aspect), rad * math.sqrt(aspect)
    x, y = r.uniform(a + 2, CANVAS - a - 2), r.uniform(b + 2, CANVAS - b - 2)
    names, values = [], []
    while len(names) < n:
        name, value = pick_colour(r, base)
        if name not in names:
            names.append(name)
            values.append(value)
    w = [r.uniform(0.3, 1) for _ in range(n)]
    k = r.randrange(n)
    w[k] = max(w) * r.uniform(1.25, 2)
    start = r.uniform(0, 360)
    gap = base if r.random() < 0.3 else None
    for q, v in zip(w, values):
        end = start + 360 * q / sum(w)
        d.pieslice((x - a, y - b, x + a, y + b), start, end, fill=v, outline=gap, width=2)
        start = end
    donut = r.random() < 0.45
    if donut:
        q = r.uniform(0.4, 0.65)
        d.ellipse((x - a * q, y - b * q, x + a * q, y + b * q), fill=base)
    smallest = names[w.index(min(w))]
    item = Item("pie", 2, None, x / CANVAS, y / CANVAS, a / CANVAS, b / CANVAS)
    return im, Scene(
        "donut" if donut else "pie",
        [item],
        dict(n=n, largest=names[k], smallest=smallest, colours=names),
    )


def draw_window(r):
    """A dialog window with a title bar, a message and one or two buttons."""
    base = tuple(r.randint(60, 220) for _ in range(3))
    im = Image.new("RGB", (CANVAS, CANVAS), base)
    d = ImageDraw.Draw(im)
    dark = r.random() < 0.3
    face, ink = ((38, 38, 42), (230, 230, 230)) if dark else ((250, 250, 250), (30, 30, 30))
    x0, y0, x1, y1 = r.randint(4, 22), r.randint(4, 40), r.randint(200, 220), r.randint(180, 220)
    d.rounded_rectangle((x0, y0, x1, y1), r.choice((0, 6, 10)), fill=face)
    bar = y0 + r.randint(22, 40)
    d.rectangle((x0, y0, x1, bar), fill=tuple((v * 9 + 128) // 10 for v in face))
    font = assets().font(r.choice(assets().latin), r.choice((13, 15, 18)))
    d.text((x0 + r.randint(8, 70), y0 + 6), r.choice(WORDS), font=font, fill=ink)
    d.text(
        (x0 + 14, bar + r.randint(10, 40)),
        " ".join(r.sample(WORDS, r.randint(1, 3))),
        font=font,
        fill=ink,
    )
    name = None
    for i in range(r.randint(1, 2)):
        name, value = pick_colour(r, face)
        bx = x1 - 84 - 92 * i
        d.rounded_rectangle((bx, y1 - 44, bx + 74, y1 - 14), 5, fill=value)
        d.text((bx + 12, y1 - 40), r.choice(WORDS)[:6], font=font, fill=(255, 255, 255))
    item = Item(
        "text", 3, None, 0.5, (y0 + y1) / 2 / CANVAS, (x1 - x0) / 2 / CANVAS, (y1 - y0) / 2 / CANVAS
    )
    return im, Scene("window", [item])


def draw_text(r):
    im, base = background(r)
    d = ImageDraw.Draw(im)
    A = assets()
    zh = r.random() < 0.25 and A.cjk
    scene = Scene("text")
    n = r.choice((1, 1, 1, 2, 3))
    y = r.randint(6, 130 if n == 1 else 30)
    size = r.randint(22, 60) if n == 1 else r.randint(18, 40)
    font = A.font(r.choice(A.cjk if zh else A.latin), size - size % 3)
    _, value = pick_colour(r, base)
    for _ in range(n):
        s = (
            r.choice(CJK_WORDS)
            if zh
            else str(r.randint(10, 99999)) if r.random() < 0.35 else r.choice(WORDS)
        )
        s = s.upper() if r.random() < 0.3 else s
        w, h = text_size(d, font, s)
        x = r.randint(2, max(3, CANVAS - int(w) - 2))
        d.text((x, y), s, font=font, fill=value)
        scene.items.append(
            Item(
                "text",
                3,
                None,
                (x + w / 2) / CANVAS,
                (y + h / 2) / CANVAS,
                w / 2 / CANVAS,
                h / 2 / CANVAS,
            )
        )
        y += int(size * 1.3)
    return im, scene


DRAW = dict(pie=draw_pie, line=draw_line, bar=draw_bar, window=draw_window, text=draw_text)
