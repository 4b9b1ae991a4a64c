"""Canvas, assets, colours and backgrounds for the pictures.

Everything is drawn on a square canvas of CANVAS pixels in the geometry that the model sees: the engine
squashes any picture to SIZE x SIZE, so a picture with aspect ratio a (width / height) has its contents
stretched by 1/sqrt(a) in x and sqrt(a) in y.
"""

import os
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import art
from vocab import COLOUR_NAMES, COLOURS

SIZE = CANVAS = 224
GRID = 28  # patches per side


LATIN = """DejaVuSans*.ttf DejaVuSerif*.ttf Liberation*.ttf Cantarell-*.otf Cabin-*.otf Quicksand-*.ttf Hack-*.ttf
Caladea-*.ttf Play-*.otf Dosis-[BMS]*.otf FreeSans*.ttf FreeSerif*.ttf FreeMono*.ttf Courier*Sans*.otf
LeagueSpartan-[BMRS]*.otf PT[FSNCM]??F.ttf UniversalisADFStd-*.otf Vollkorn-[BMRS]*.ttf Gen*Bas*.ttf mononoki-*.ttf
Jura-[BMRS]*.otf""".split()


@dataclass
class Item:
    """One thing in a picture; x, y, w, h are the centre and the half extents as fractions of the picture.
    """

    kind: str  # "shape", "pict" or a chart part
    cls: int
    colour: str | None
    x: float
    y: float
    w: float
    h: float


@dataclass
class Scene:
    """What a picture shows. kind: objects, bar, line, pie, donut, window, text, blank."""

    kind: str
    items: list = field(default_factory=list)
    info: dict = field(default_factory=dict)


class Assets:
    """Fonts, sprites and noise tiles, loaded once."""

    def __init__(self):
        self.latin = []
        slanted = ("Italic", "Oblique", "It.", "I.ttf", "56F", "76F")
        for f in art.find_fonts(*LATIN):
            self.latin += [f] if any(x in os.path.basename(f) for x in slanted) else [f] * 4
        self.cjk = art.find_fonts("wqy-*.ttc")
        self.styles = art.load_styles()
        self.sprites = {}
        self.fonts = {}
        g = np.random.default_rng(5)
        self.noise = [self._tile(g, k) for k in (1, 1, 2, 2, 3, 4) for _ in range(6)]

    @staticmethod
    def _tile(g, grain):
        n = SIZE // grain + 2
        z = g.normal(0, 1, (n, n, 1 if g.random() < 0.6 else 3)).astype(np.float32)
        return np.repeat(np.repeat(z, grain, 0), grain, 1)[:SIZE, :SIZE]

    def font(self, path, size):
        key = (path, size)
        if key not in self.fonts:
            self.fonts[key] = ImageFont.truetype(path, size)
        return self.fonts[key]

    def sprite(self, style, i, big):
        """Stored sprite, at full or at 2/5 size (small pictures are faster to resize)."""
        key = (style, i, big)
        if key not in self.sprites:
            im = self.styles[style][i]
            if im is not None and not big:
                im = im.resize((max(6, im.width * 2 // 5), max(6, im.height * 2 // 5)), Image.LANCZOS)
            self.sprites[key] = im
        return self.sprites[key]


_assets = None


def assets():
    global _assets
    if _assets is None:
        _assets = Assets()
    return _assets


def clip(v):
    return max(0, min(255, int(v)))


def jitter(r, c, k=16):
    d = r.randint(-k, k)
    return tuple(clip(v + d * 0.6 + r.randint(-k, k) * 0.6) for v in c)


def distance(a, b):
    return sum(abs(p - q) for p, q in zip(a, b))


def pick_colour(r, bg, names=None):
    """A colour name and value that differs enough from the background."""
    names = names or COLOUR_NAMES
    for _ in range(30):
        n = r.choice(names)
        c = jitter(r, r.choice(COLOURS[n]))
        if distance(c, bg) > (120 if n in ("white", "gray") else 95):
            return n, c
    n = "black" if sum(bg) > 380 else "white"
    return n, COLOURS[n][0]


def background(r):
    """-> canvas picture and its base colour: plain, gradient, blobs, grid lines (noise is added at the
    end).
    """
    t = r.random()
    if t < 0.7:
        base = tuple(r.randint(200, 255) for _ in range(3))
    elif t < 0.8:
        base = (255, 255, 255)
    elif t < 0.9:
        base = tuple(r.randint(130, 225) for _ in range(3))
    elif t < 0.96:
        base = tuple(r.randint(15, 90) for _ in range(3))
    else:
        base = jitter(r, r.choice(COLOURS[r.choice(COLOUR_NAMES)]))
    im = Image.new("RGB", (CANVAS, CANVAS), base)
    t = r.random()
    if t < 0.35:
        k = r.choice((20, 35, 60))
        end = np.array([clip(v + r.randint(-k, k // 2)) for v in base], np.float32)
        w = np.linspace(0, 1, 28, dtype=np.float32)
        ax, ay = r.random(), r.random()
        g = (w[None] * ax + w[:, None] * ay) / max(ax + ay, 0.01)
        g = np.array(base, np.float32) * (1 - g[..., None]) + end * g[..., None]
        im = Image.fromarray(g.astype(np.uint8)).resize((CANVAS, CANVAS), Image.BILINEAR)
        if r.random() < 0.5:
            im = im.transpose(Image.FLIP_LEFT_RIGHT)
    d = ImageDraw.Draw(im)
    t = r.random()
    if t < 0.18:
        sx, sy, c = r.randint(12, 44), r.randint(12, 44), jitter(r, base, r.choice((8, 16)))
        for i in range(r.randint(0, sx), CANVAS, sx):
            d.line((i, 0, i, CANVAS), fill=c)
        for i in range(r.randint(0, sy), CANVAS, sy):
            d.line((0, i, CANVAS, i), fill=c)
    elif t < 0.4:
        for _ in range(r.randint(2, 5)):
            x, y, a, b = r.randint(0, CANVAS), r.randint(0, CANVAS), r.randint(20, 75), r.randint(20, 75)
            d.ellipse((x - a, y - b, x + a, y + b), fill=jitter(r, base, 11))
    elif t < 0.46:
        s, c, o = r.randint(8, 30), jitter(r, base, 12), r.randint(-60, 60)
        for i in range(-CANVAS, 2 * CANVAS, 2 * s):
            d.line((i, 0, i + o, CANVAS), fill=c, width=s)
    return im, base
