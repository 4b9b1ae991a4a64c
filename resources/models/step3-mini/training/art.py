"""Pictogram artwork for the renderer: the same 106 things in several drawing styles, as RGBA arrays.

Styles (all permissive; see README.md for the licences):
  noto     fonts-noto-color-emoji (Debian), bitmaps of the font
  twemoji  npm package emoji-datasource-twitter, img/twitter/64/*.png
  fluent   npm package @lobehub/fluent-emoji-3d, assets/*.webp
The npm packages are optional: `npm pack NAME` and unpack below ART_DIR (see README.md).
"""
import glob
import os

from PIL import Image, ImageDraw, ImageFont

from vocab import PICT_EMOJI

FONT_ROOT = os.environ.get("FONT_ROOT", "/usr/share/fonts")
ART_DIR = os.environ.get("ART_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "art"))
SIDE = 120  # longest side of a stored sprite


def find_fonts(*patterns):
    """All font files below FONT_ROOT that match one of the patterns, sorted."""
    return [f for p in patterns for f in sorted(glob.glob(f"{FONT_ROOT}/**/{p}", recursive=True))]


def _trim(im):
    """Crop to the opaque box and scale the longest side to SIDE."""
    im = im.convert("RGBA")
    box = im.getchannel("A").point(lambda a: 255 if a > 12 else 0).getbbox()
    im = im.crop(box)
    k = SIDE / max(im.size)
    return im.resize((max(8, round(im.width * k)), max(8, round(im.height * k))), Image.LANCZOS)


def _noto(emoji, font):
    im = Image.new("RGBA", (136, 128))
    ImageDraw.Draw(im).text((0, 0), emoji.replace("\ufe0f", ""), font=font, embedded_color=True)
    return im


def _code(emoji, keep_selector):
    return "-".join(f"{ord(c):x}" for c in emoji if keep_selector or c != "\ufe0f")


def _from_files(emoji, folder, ext):
    for keep in (True, False):
        for code in (_code(emoji, keep), _code(emoji, keep).zfill(4)):
            path = os.path.join(folder, code + ext)
            if os.path.exists(path):
                return Image.open(path)
    return None


def load_styles():
    """-> {style: [RGBA image or None per pictogram]}; at least the Noto style."""
    fonts = find_fonts("NotoColorEmoji.ttf")
    if not fonts:
        raise SystemExit("fonts-noto-color-emoji is not installed")
    font = ImageFont.truetype(fonts[0], 109)
    styles = {"noto": [_trim(_noto(e, font)) for e in PICT_EMOJI]}
    for name, sub, ext in (("twemoji", "twemoji/img/twitter/64", ".png"), ("fluent", "fluent/assets", ".webp")):
        folder = os.path.join(ART_DIR, sub)
        if os.path.isdir(folder):
            ims = [_from_files(e, folder, ext) for e in PICT_EMOJI]
            styles[name] = [_trim(i) if i is not None else None for i in ims]
    return styles
