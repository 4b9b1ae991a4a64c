"""Training pictures: scenes of objects, the whole picture with its losses, and patch labels."""

import io
import math
import random

import numpy as np
from PIL import Image, ImageFilter

from canvas import CANVAS, GRID, SIZE, Item, Scene, assets, background, distance, pick_colour
import lettering
from charts import DRAW
from shapes import STYLES, draw_pictogram, draw_shape
from vocab import (
    COLOUR_NAMES,
    COLOURS,
    L_CHAR,
    L_COLOUR,
    L_PART,
    L_PICT,
    L_SHAPE,
    N_LABELS,
    PARTS,
    PICTOGRAMS,
    SHAPES,
)

RADIUS = {1: (22, 96), 2: (17, 56), 3: (15, 46), 4: (13, 38), 5: (12.5, 33), 6: (12, 29), 7: (12, 26)}


def place(r, n, aspect):
    """n non-overlapping (x, y, radius) in canvas pixels; the radius is the mean of both axes."""
    qx, qy = 1 / math.sqrt(aspect), math.sqrt(aspect)
    lo, hi = RADIUS[min(n, 7)]
    hi = min(hi, 106 / max(qx, qy))
    common = r.uniform(lo, hi) if r.random() < 0.6 else None
    for attempt in range(12):
        out = []
        for _ in range(n * 14):
            rad = (common or r.uniform(lo, hi)) * r.uniform(0.88, 1.12) * 0.96**attempt
            a, b = rad * qx + 2, rad * qy + 2
            if 2 * a > CANVAS - 2 or 2 * b > CANVAS - 2:
                continue
            x, y = r.uniform(a, CANVAS - a), r.uniform(b, CANVAS - b)
            if all(((x - p) / qx) ** 2 + ((y - q) / qy) ** 2 > (rad + c + 3) ** 2 for p, q, c in out):
                out.append((x, y, rad))
            if len(out) == n:
                return out
    return out


def board(r, aspect):
    """A 2x2 or 3x3 board of things (encoder stage)."""
    n = r.choice((2, 3))
    q = CANVAS / n
    m = q / max(math.sqrt(aspect), 1 / math.sqrt(aspect))
    return [
        (
            (i % n + 0.5 + r.uniform(-0.08, 0.08)) * q,
            (i // n + 0.5 + r.uniform(-0.08, 0.08)) * q,
            m * r.uniform(0.3, 0.45),
        )
        for i in range(n * n)
    ]


def choose_items(r, n, base, kind):
    """Classes and colours for n things; often from small sets, so that shapes, colours and things repeat.
    """
    few = n > 1 and r.random() < 0.45
    shapes = r.sample(SHAPES, r.randint(1, 2)) if few and r.random() < 0.7 else SHAPES
    ok = [c for c in COLOUR_NAMES if min(distance(v, base) for v in COLOURS[c]) > 105] or [
        "black",
        "white",
    ]
    colours = (
        r.sample(ok, min(len(ok), r.randint(1, 2)))
        if few and (shapes is SHAPES or r.random() < 0.5)
        else ok
    )
    picts = r.sample(range(len(PICTOGRAMS)), r.randint(1, 2)) if few else range(len(PICTOGRAMS))
    out = []
    for _ in range(n):
        k = kind if kind != "mixed" else r.choice(("shape", "pict"))
        if k == "shape":
            name, value = pick_colour(r, base, colours)
            out.append((k, SHAPES.index(r.choice(shapes)), name, value))
        else:
            out.append((k, r.choice(picts), None, None))
    return out


def draw_objects(r, n=None, kind=None, layout="scatter", styles=None):
    im, base = background(r)
    aspect = math.exp(r.uniform(math.log(0.72), math.log(1.6)))
    spots = board(r, aspect) if layout == "board" else place(r, n, aspect)
    shadow = None
    if r.random() < 0.5:
        shadow = (Image.new("L", (CANVAS, CANVAS)), r.randint(0, 6), r.randint(1, 7))
    scene = Scene("objects")
    todo = list(zip(choose_items(r, len(spots), base, kind), spots))
    if layout == "board":
        todo = [(choose_items(r, 1, base, kind)[0], s) for s in spots]
    state = r.getstate()
    passes = 2 if shadow else 1
    for step in range(
        passes
    ):  # first pass collects the shadow mask, second pass draws on top of the shadow
        r.setstate(state)
        target = im if step == passes - 1 else Image.new("RGB", (CANVAS, CANVAS))
        scene.items = []
        for (k, c, name, value), (x, y, rad) in todo:
            if k == "shape":
                w, h = draw_shape(r, target, shadow, SHAPES[c], x, y, rad, aspect, value)
            else:
                w, h = draw_pictogram(r, target, shadow, c, x, y, rad, aspect, styles or STYLES)
            scene.items.append(Item(k, c, name, x / CANVAS, y / CANVAS, w / CANVAS, h / CANVAS))
        if step == 0 and shadow:
            strength = r.uniform(0.2, 0.6)
            m = (
                shadow[0]
                .resize((CANVAS // 2, CANVAS // 2))
                .filter(ImageFilter.GaussianBlur(r.uniform(0.5, 3)))
            )
            m = m.resize((CANVAS, CANVAS), Image.BILINEAR).point(lambda v: int(v * strength))
            im.paste((0, 0, 0), (0, 0), m)
    return im, scene


def finish(r, im):
    """Resampled as a picture of another size is, then noise, blur, JPEG loss; -> uint8 [SIZE, SIZE, 3]."""
    if r.random() < 0.75:
        filters = (Image.BILINEAR, Image.BOX, Image.BICUBIC)
        size = (round(SIZE * r.uniform(0.8, 1.5)), round(SIZE * r.uniform(0.8, 1.5)))
        im = im.resize(size, r.choices(filters, (0.6, 0.1, 0.3))[0]).resize((SIZE, SIZE), Image.BILINEAR)
    if r.random() < 0.1:
        im = im.filter(ImageFilter.GaussianBlur(r.uniform(0.3, 0.7)))
    x = np.asarray(im)
    if r.random() < 0.35:
        z = r.choice(assets().noise)
        k = r.uniform(2, 9)
        if r.random() < 0.5:
            z = np.roll(z, (r.randrange(SIZE), r.randrange(SIZE)), (0, 1))
        x = np.clip(x + z * k, 0, 255).astype(np.uint8)
    if r.random() < 0.12:
        b = io.BytesIO()
        Image.fromarray(x).save(b, "JPEG", quality=r.randint(45, 92))
        x = np.asarray(Image.open(b))
    return np.ascontiguousarray(x)


COUNT_WEIGHTS = [4.5, 4.2, 3.2, 2.8, 2.4, 1.5, 0.6]  # 1..7 things
KINDS = dict(objects=0.53, pie=0.045, line=0.055, bar=0.095, window=0.065, text=0.165, blank=0.015, photo=0.03)


def picture(r, kinds=None, counts=None, kind=None, styles=None):
    """-> (uint8 [SIZE, SIZE, 3], Scene). r: random.Random."""
    kinds = kinds or KINDS
    t = r.choices(list(kinds), list(kinds.values()))[0]
    if t == "board":
        im, scene = draw_objects(r, kind="mixed", layout="board", styles=styles)
    elif t == "objects":
        w = counts or COUNT_WEIGHTS
        n = r.choices(range(1, len(w) + 1), w)[0]
        k = kind or r.choices(("shape", "pict", "mixed"), (0.62, 0.28, 0.10))[0]
        im, scene = draw_objects(r, n, k, styles=styles)
    elif t == "strings":
        im, scene = lettering.draw_strings(r)
    elif t == "blank":
        im, _ = background(r)
        scene = Scene("blank")
    else:
        im, scene = DRAW[t](r)
    return finish(r, im), scene


def patch_labels(scene):
    """-> uint8 [GRID * GRID, N_LABELS]: which shape, colour, pictogram or chart part covers each patch."""
    lab = np.zeros((GRID, GRID, N_LABELS), np.uint8)
    for it in scene.items:
        k = 0.8 if it.kind in ("shape", "pict") else 1.0
        box = [
            (it.x - it.w * k) * GRID,
            (it.x + it.w * k) * GRID,
            (it.y - it.h * k) * GRID,
            (it.y + it.h * k) * GRID,
        ]
        x0, x1 = max(0, math.ceil(box[0] - 0.5)), min(GRID - 1, math.floor(box[1] - 0.5))
        y0, y1 = max(0, math.ceil(box[2] - 0.5)), min(GRID - 1, math.floor(box[3] - 0.5))
        cols = []
        if it.kind == "shape":
            cols.append(L_SHAPE + it.cls)
        elif it.kind == "pict":
            cols.append(L_PICT + it.cls)
        elif it.kind == "char":  # Latin characters and Chinese ones follow each other
            cols.append(L_CHAR + it.cls)
        else:
            cols.append(L_PART + PARTS.index(it.kind))
        if it.colour and it.kind != "line":
            cols.append(L_COLOUR + COLOUR_NAMES.index(it.colour))
        cx, cy = min(GRID - 1, int(it.x * GRID)), min(GRID - 1, int(it.y * GRID))
        lab[cy, cx, cols] = 1
        if x0 <= x1 and y0 <= y1:
            for c in cols:
                lab[y0 : y1 + 1, x0 : x1 + 1, c] = 1
    return lab.reshape(-1, N_LABELS)


def label_bits(scenes):
    """-> uint8 [B, GRID * GRID, ceil(N_LABELS / 8)]: the patch labels, eight to a byte."""
    return np.packbits(np.stack([patch_labels(s) for s in scenes]), -1)


def sheet(path, n=96, seed=1, **kw):
    """Contact sheet for a look at the data."""
    r = random.Random(seed)
    cols = 16
    out = Image.new("RGB", (cols * (SIZE + 2), (n + cols - 1) // cols * (SIZE + 2)), "white")
    for i in range(n):
        x, _ = picture(r, **kw)
        out.paste(Image.fromarray(x), (i % cols * (SIZE + 2), i // cols * (SIZE + 2)))
    out.save(path)


if __name__ == "__main__":
    sheet("sheet.png")
