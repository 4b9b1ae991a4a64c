"""Shapes and pictograms on a canvas, with outlines, shadows and recoloured artwork."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from canvas import assets, clip, jitter
from vocab import COLOUR_NAMES, COLOURS


def regular(n, start, rad):
    return [
        (math.cos(start + 2 * math.pi * i / n) * rad, math.sin(start + 2 * math.pi * i / n) * rad)
        for i in range(n)
    ]


def outline(r, name):
    """Unit outline of a shape, points about (0, 0) within radius about 1."""
    up = -math.pi / 2
    if name == "circle":
        return regular(40, 0, 0.95)
    if name == "square":
        q = 0.84
        return [(-q, -q), (q, -q), (q, q), (-q, q)]
    if name == "rectangle":
        a, b = 1, r.uniform(0.4, 0.58)
        if r.random() < 0.25:
            a, b = b, a
        return [(-a, -b), (a, -b), (a, b), (-a, b)]
    if name == "triangle":
        return regular(3, up, 1)
    if name == "diamond":
        w = r.uniform(0.58, 0.74)
        return [(0, -1), (w, 0), (0, 1), (-w, 0)]
    if name == "pentagon":
        return regular(5, up, 1)
    if name == "hexagon":
        return regular(6, r.choice((0, math.pi / 6)), 1)
    if name == "star":
        k = r.uniform(0.38, 0.5)
        return [p for ab in zip(regular(5, up, 1), regular(5, up + math.pi / 5, k)) for p in ab]
    if name == "cross":
        a, b = 0.95, r.uniform(0.26, 0.36)
        return [
            (-b, -a),
            (b, -a),
            (b, -b),
            (a, -b),
            (a, b),
            (b, b),
            (b, a),
            (-b, a),
            (-b, b),
            (-a, b),
            (-a, -b),
            (-b, -b),
        ]
    if name == "heart":
        ts = [i * math.pi / 20 for i in range(40)]
        return [
            (
                0.06 * 16 * math.sin(t) ** 3,
                -0.06 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
            )
            for t in ts
        ]
    raise ValueError(name)


def turn(r, name):
    """Random rotation in radians: small for shapes whose name depends on it."""
    if name == "circle" or r.random() < 0.3:
        return 0.0
    if name in ("star", "hexagon", "pentagon", "triangle"):
        return r.uniform(-0.35, 0.35) if r.random() < 0.75 else r.uniform(-math.pi, math.pi)
    return r.uniform(-0.3, 0.3)


def draw_shape(r, im, shadow, name, x, y, rad, aspect, colour):
    """Fill one shape on the canvas (and on the shadow mask); -> half extents in pixels."""
    sx, sy = rad / math.sqrt(aspect), rad * math.sqrt(aspect)
    d = ImageDraw.Draw(im)
    line = (
        tuple(clip(v * 0.55) for v in colour)
        if r.random() < 0.12
        else (30, 30, 30) if r.random() < 0.06 else None
    )
    width = r.choice((2, 2, 3, 4))
    if name == "ring":
        k = r.uniform(0.5, 0.74)
        a, b = sx * 0.95, sy * 0.95
        mask = Image.new("L", (int(2 * a) + 3, int(2 * b) + 3))
        md = ImageDraw.Draw(mask)
        cx, cy = mask.width / 2, mask.height / 2
        md.ellipse((cx - a, cy - b, cx + a, cy + b), fill=255)
        md.ellipse((cx - a * k, cy - b * k, cx + a * k, cy + b * k), fill=0)
        at = (int(x - cx), int(y - cy))
        im.paste(colour, at, mask)
        if shadow:
            shadow[0].paste(255, (at[0] + shadow[1], at[1] + shadow[2]), mask)
        return a, b
    t = turn(r, name)
    c, s = math.cos(t), math.sin(t)
    pts = [((p * c - q * s) * sx, (p * s + q * c) * sy) for p, q in outline(r, name)]
    d.polygon([(x + p, y + q) for p, q in pts], fill=colour)
    if line:
        closed = [(x + p, y + q) for p, q in pts + pts[:2]]
        d.line(closed, fill=line, width=width, joint="curve")
    if shadow:
        ImageDraw.Draw(shadow[0]).polygon(
            [(x + p + shadow[1], y + q + shadow[2]) for p, q in pts], fill=255
        )
    return max(abs(p) for p, _ in pts), max(abs(q) for _, q in pts)


def recolour(r, im):
    """Other looks of the same drawing: brightness, contrast, saturation, hue turn, posterising."""
    rgb = np.asarray(im.convert("RGB")).astype(np.float32)
    t = r.random()
    if t < 0.25:
        m = rgb.mean(-1, keepdims=True)
        rgb = m + (rgb - m) * r.uniform(0.45, 1.5)
    elif t < 0.4:
        k = r.uniform(-0.35, 0.35)  # hue turn: rotation about the grey axis, small
        c, s = math.cos(k), math.sin(k) / math.sqrt(3)
        e = (1 - c) / 3
        rgb = rgb @ np.array(
            [[c + e, e + s, e - s], [e - s, c + e, e + s], [e + s, e - s, c + e]], np.float32
        )
    elif t < 0.5:
        q = r.choice((32, 48, 64))
        rgb = np.floor(rgb / q) * q + q / 2
    if r.random() < 0.6:
        rgb = (rgb - 128) * r.uniform(0.75, 1.25) + 128 + r.uniform(-25, 25)
    out = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
    out.putalpha(im.getchannel("A"))
    return out


def paint_lines(r, im):
    """A line drawing with a flat tint behind it (or none), line colour varied."""
    a = im.getchannel("A")
    dark = Image.new("RGBA", im.size, tuple(r.randint(0, 70) for _ in range(3)) + (255,))
    dark.putalpha(a)
    if r.random() < 0.75:
        solid = a.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.MinFilter(3))
        flood = Image.new("L", (im.width + 2, im.height + 2), 0)
        flood.paste(solid, (1, 1))
        ImageDraw.floodfill(flood, (0, 0), 255, thresh=100)
        inside = ImageChops.lighter(
            ImageChops.invert(flood).crop((1, 1, im.width + 1, im.height + 1)), a
        )
        tint = Image.new("RGBA", im.size, jitter(r, r.choice(COLOURS[r.choice(COLOUR_NAMES)])) + (255,))
        tint.putalpha(inside.point(lambda v: 255 if v > 60 else 0))
        dark = Image.alpha_composite(tint, dark)
    return dark


def bent(r, w, h, k=0.13):
    """Corners of a slightly bent source quadrilateral: top left, bottom left, bottom right, top right."""
    dx, dy = (lambda: r.uniform(-k, k) * w), (lambda: r.uniform(-k, k) * h)
    return (dx(), dy(), dx(), h + dy(), w + dx(), h + dy(), w + dx(), dy())


def draw_pictogram(r, im, shadow, i, x, y, rad, aspect, styles):
    """Paste one pictogram; -> half extents in pixels."""
    A = assets()
    style = r.choices(list(styles), list(styles.values()))[0]
    s = A.sprite(style, i, rad > 26) or A.sprite("noto", i, rad > 26)
    if style == "lines" and A.sprite(style, i, rad > 26) is not None:
        s = paint_lines(r, s)
    elif r.random() < 0.6:
        s = recolour(r, s)
    k = 2 * rad / max(s.size)
    ax = r.uniform(0.92, 1.09)
    w, h = s.width * k * ax / math.sqrt(aspect), s.height * k / ax * math.sqrt(aspect)
    size = (max(6, round(w)), max(6, round(h)))
    if r.random() < 0.4:
        s = s.transform(size, Image.QUAD, bent(r, *s.size), Image.BILINEAR)
    else:
        s = s.resize(size, Image.BILINEAR)
    if r.random() < 0.3:
        s = s.transpose(Image.FLIP_LEFT_RIGHT)
    if r.random() < 0.35:
        s = s.rotate(r.uniform(-18, 18), Image.BILINEAR, expand=True)
    at = (round(x - s.width / 2), round(y - s.height / 2))
    if shadow:
        shadow[0].paste(255, (at[0] + shadow[1], at[1] + shadow[2]), s.getchannel("A"))
    im.paste(s, at, s)
    return w / 2, h / 2


STYLES = dict(noto=0.3, twemoji=0.34, openmoji=0.24, lines=0.12)
