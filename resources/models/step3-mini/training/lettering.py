"""Pictures with text: words, numbers, lines, dialog windows, and boards of strings for the encoder stage.

Every drawn character of ALPHABET and HANZI also becomes an item of kind "char", which labels the patches it covers.
"""

import functools
import os

from PIL import Image, ImageDraw

from canvas import CANVAS, Item, Scene, assets, background, jitter, pick_colour
from phrases import text_lines
from vocab import ALPHABET, CHINESE_WORDS, COLOURS, HANZI

DICTIONARY = os.environ.get("WORD_LIST", "/usr/share/dict/american-english-small")
CHARACTERS = ALPHABET + HANZI
SMALLEST = 8  # characters of a font below this size (canvas pixels) get no labels


@functools.cache
def words():
    """Lower-case dictionary words of 3 to 7 letters; the everyday words of words.txt come up more often."""
    with open(DICTIONARY, encoding="utf-8") as f:
        rare = [w for w in f.read().split() if w.isascii() and w.isalpha() and w.islower() and 3 <= len(w) <= 7]
    return rare, everyday("word")


@functools.cache
def everyday(kind):
    """Lines of words.txt that start with this kind, without it: list of str."""
    rows = [line.split(" ", 1) for line in text_lines("words.txt")]
    return [x for k, v in rows if k == kind for x in v.split(",")]


def cased(r, w):
    return r.choices((w, w.capitalize(), w.upper()), (0.4, 0.3, 0.3))[0]


def word(r):
    rare, common = words()
    if r.random() < 0.1:
        return cased(r, "".join(r.choice(ALPHABET[:26].lower()) for _ in range(r.randint(1, 6))))
    return cased(r, r.choice(common if r.random() < 0.5 else rare))


def chinese_word(r):
    """A word, or now and then characters that make none."""
    return r.choice(CHINESE_WORDS) if r.random() < 0.7 else "".join(r.choices(HANZI, k=r.randint(1, 3)))


def label(r, kind):
    """A text of words.txt, or words that nobody could know by heart."""
    if r.random() < 0.55:
        return r.choice(everyday(kind))
    n = r.randint(2, 4) if kind == "message" else r.choice((1, 1, 2))
    s = " ".join(r.choice(words()[r.random() < 0.7]) for _ in range(n))
    return (s if kind == "message" and r.random() < 0.1 else s.capitalize()) + r.choice(("", "", "?", "!") if kind == "message" else ("",))


def number(r):
    return "".join(str(r.randint(0 if i else 1, 9)) for i in range(r.choice((1, 2, 2, 3, 4, 4, 5, 5))))


def text_size(d, font, s):
    b = d.textbbox((0, 0), s, font=font)
    return b[2] - b[0], b[3] - b[1]


def fitting(path, size, s, width):
    """The size of a font, at most `size`, at which s is not wider than width."""
    while assets().font(path, size).getlength(s) > width and size > 8:
        size -= 1
    return size


def write(scene, d, x, y, s, font, fill, colour=None):
    """Draw s with its top left corner at (x, y) and add its characters to the scene; -> half extents."""
    b = d.textbbox((x, y), s, font=font)
    d.text((x, y), s, font=font, fill=fill)
    if font.size >= SMALLEST:
        for i, c in enumerate(s):
            k = CHARACTERS.find(c.upper())
            if k >= 0:
                left = x + font.getlength(s[:i])
                right = x + font.getlength(s[: i + 1])
                box = d.textbbox((left, y), c, font=font)
                scene.items.append(
                    Item(
                        "char",
                        k,
                        colour,
                        (left + right) / 2 / CANVAS,
                        (box[1] + box[3]) / 2 / CANVAS,
                        (right - left) / 2 / CANVAS,
                        (box[3] - box[1]) / 2 / CANVAS,
                    )
                )
    return b


def placed(scene, im, x, y, s, font, fill, colour, stretch):
    """As write, but the text is stretched in x by a factor (pictures are squashed to a square)."""
    if abs(stretch - 1) < 0.06:
        write(scene, ImageDraw.Draw(im), x, y, s, font, fill, colour)
        return
    w, h = int(font.getlength(s)) + 4, int(font.size * 1.5)
    mask = Image.new("L", (w, h))
    part = Scene("text")
    write(part, ImageDraw.Draw(mask), 0, 0, s, font, 255, colour)
    mask = mask.resize((max(1, round(w * stretch)), h), Image.BILINEAR)
    im.paste(fill, (int(x), int(y)), mask)
    for it in part.items:
        it.x, it.w = it.x * stretch + x / CANVAS, it.w * stretch
        it.y += y / CANVAS
        scene.items.append(it)


def draw_strings(r):
    """Many short strings of all sizes (encoder stage)."""
    im, base = background(r)
    A, scene, taken = assets(), Scene("strings"), []
    for _ in range(r.randint(6, 40)):
        t = r.random()
        size = r.choice((9, 10, 11, 12, 13, 14, 16, 18, 21, 24, 28, 32, 38, 46, 56, 70))
        fonts = A.latin
        if t < 0.2 and size > 15:
            s, fonts = chinese_word(r), A.cjk
        else:
            s = number(r) if t < 0.42 else word(r) if t < 0.8 else "".join(r.choices(ALPHABET, k=r.randint(1, 3)))
        font = A.font(r.choice(fonts), size)
        stretch = r.choice((1, 1, r.uniform(0.65, 1.25)))
        w = font.getlength(s) * stretch
        if w > CANVAS - 4:
            continue
        x, y = r.uniform(2, CANVAS - w - 2), r.uniform(0, CANVAS - size * 1.25)
        if any(x < b and a < x + w and y < q and p < y + size * 1.2 for a, b, p, q in taken):
            continue
        taken.append((x, x + w, y, y + size * 1.2))
        name, value = pick_colour(r, base)
        placed(scene, im, x, y, s, font, value, name, stretch)
    return im, scene


def draw_text(r):
    """One to four lines: words, one number, or one or two Chinese words."""
    im, base = background(r)
    A = assets()
    t = r.random()
    kind = "chinese" if t < 0.15 else "number" if t < 0.42 else "word"
    n = r.choices((1, 2, 3, 4), dict(chinese=(8, 1, 0, 0), number=(1, 0, 0, 0), word=(5, 2, 3, 0.4))[kind])[0]
    scene = Scene("text", info=dict(kind=kind, lines=[]))
    stretch = r.uniform(0.62, 1.15)
    size = r.randint(20, 64) if n == 1 else r.randint(16, {2: 44, 3: 36, 4: 30}[n])
    fonts = A.cjk if kind == "chinese" else A.latin
    path, (name, value) = r.choice(fonts), pick_colour(r, base)
    gap = size * r.uniform(1.25, 1.8)
    y = r.uniform(2, max(3, CANVAS - gap * n - 6))
    centred, middle = r.random() < 0.5, r.uniform(80, 144)
    for _ in range(n):
        if n > 1 and r.random() < 0.5:
            path, (name, value) = r.choice(fonts), pick_colour(r, base)
        s = dict(chinese=chinese_word, number=number, word=word)[kind](r)
        q = size if n == 1 else max(14, int(size * r.uniform(0.8, 1.1)))
        while (w := A.font(path, q).getlength(s) * stretch) > CANVAS - 6 and q > 12:
            q -= 2
        x = middle - w / 2 if centred else r.uniform(2, CANVAS - w - 2)
        x = min(max(2, x), CANVAS - w - 2)
        placed(scene, im, x, y, s, A.font(path, q), value, name, stretch)
        scene.info["lines"].append((s, name))
        y += gap
    return im, scene


def draw_window(r):
    """A dialog window with a title bar, a message and one or two buttons."""
    base = tuple(r.randint(60, 225) for _ in range(3))
    im = Image.new("RGB", (CANVAS, CANVAS), base)
    d, A = ImageDraw.Draw(im), assets()
    stretch = r.choice((1, r.uniform(0.6, 1.1)))
    face, ink = ((38, 38, 42), (230, 230, 230)) if r.random() < 0.2 else ((r.randint(240, 255),) * 3, (30, 30, 30))
    bar_face = tuple((v * 9 + 128 * r.choice((1, 2))) // (10 if r.random() < 0.5 else 11) for v in face)
    x0, y0, x1, y1 = r.randint(4, 24), r.randint(4, 40), r.randint(200, 220), r.randint(180, 220)
    radius = r.choice((0, 4, 8, 12))
    d.rounded_rectangle((x0, y0, x1, y1), radius, fill=face)
    bar = y0 + r.randint(22, 40)
    d.rounded_rectangle((x0, y0, x1, bar), radius, fill=bar_face)
    title, message = label(r, "title"), label(r, "message")
    scene = Scene("window", info=dict(title=title, message=message, buttons=[]))
    x = x0 + 8
    t = r.random()
    if t < 0.45:
        for c in ((240, 90, 85), (245, 190, 60), (90, 200, 90)):
            d.ellipse((x, y0 + 9, x + 7, y0 + 16), fill=c if r.random() < 0.9 else (120, 120, 120))
            x += 11
    elif t < 0.7:
        d.text((x1 - 16, y0 + 5), "x", font=A.font(A.latin[0], 14), fill=ink)
    x += r.randint(2, 60)
    path = r.choice(A.latin)
    q = fitting(path, r.choice((12, 13, 14, 15, 17)), title, (x1 - x - 18) / stretch)
    placed(scene, im, x, y0 + r.randint(3, 9), title, A.font(path, q), ink, None, stretch)
    q = fitting(path, r.choice((12, 13, 14, 16, 18, 20)), message, (x1 - x0 - 26) / stretch)
    placed(scene, im, x0 + r.randint(8, 24), bar + r.randint(10, 40), message, A.font(path, q), ink, None, stretch)
    n = r.choices((1, 2), (0.25, 0.75))[0]
    labels = [label(r, "button") for _ in range(n)]
    w, h, plain = r.randint(52, 78), r.randint(22, 32), r.random() < 0.75
    top = y1 - h - r.randint(8, 22)
    for i, s in enumerate(labels):
        name, value = pick_colour(r, face)
        if n == 2 and (i == 0) == plain:
            name, value = "gray", jitter(r, r.choice([(220, 222, 225), (200, 200, 204)] + COLOURS["gray"]), 6)
        bx = x1 - (n - i) * (w + 12) if plain else x0 + 14 + i * (w + 14)
        d.rounded_rectangle((bx, top, bx + w, top + h), r.choice((0, 4, 8)), fill=value)
        font = A.font(path, fitting(path, r.choice((11, 12, 13, 14, 16)), s, (w - 4) / stretch))
        tw, th = text_size(d, font, s)
        fill = (255, 255, 255) if sum(value) < 560 else (30, 30, 30)
        placed(scene, im, bx + (w - tw * stretch) / 2, top + (h - th) / 2 - 3, s, font, fill, None, stretch)
        scene.info["buttons"].append((s, name))
    return im, scene
