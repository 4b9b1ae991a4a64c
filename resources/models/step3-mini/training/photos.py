"""Pictures that the model shall refuse: crops of photographs (Debian mate-backgrounds), whole or cut out."""

import functools
import glob
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from canvas import CANVAS, Scene, assets, background

FOLDER = os.environ.get("PHOTO_ROOT", "/usr/share/backgrounds/mate/nature")


@functools.cache
def photos():
    """The photographs, shorter side 400 pixels."""
    out = []
    for path in sorted(glob.glob(f"{FOLDER}/*.jpg")):
        im = Image.open(path).convert("RGB")
        im.thumbnail((1000, 400))
        out.append(im)
    if not out:
        raise SystemExit(f"no photographs in {FOLDER}: install mate-backgrounds or set PHOTO_ROOT")
    return out


def crop(r):
    im = r.choice(photos())
    w = r.randint(60, min(im.size))
    h = min(im.height, round(w * r.uniform(0.7, 1.4)))
    x, y = r.randint(0, im.width - w), r.randint(0, im.height - h)
    im = im.crop((x, y, x + w, y + h)).resize((CANVAS, CANVAS), Image.BILINEAR)
    if r.random() < 0.5:
        im = im.transpose(Image.FLIP_LEFT_RIGHT)
    if r.random() < 0.3:
        im = im.rotate(r.choice((90, 180, 270)))
    if r.random() < 0.3:
        im = Image.merge("RGB", r.sample(im.split(), 3))
    if r.random() < 0.4:
        im = ImageOps.autocontrast(im, cutoff=r.choice((0, 2)))
    return im


def silhouette(r):
    """A random closed mask: a pictogram's outline or a lumpy blob."""
    mask = Image.new("L", (CANVAS, CANVAS))
    if r.random() < 0.6:
        style = assets().styles["twemoji"]
        s = r.choice([x for x in style if x is not None]).getchannel("A")
        k = r.uniform(0.55, 0.95) * CANVAS / max(s.size)
        s = s.resize((int(s.width * k * r.uniform(0.8, 1.05)), int(s.height * k * r.uniform(0.8, 1.05))))
        mask.paste(s, ((CANVAS - s.width) // 2, (CANVAS - s.height) // 2))
    else:
        d = ImageDraw.Draw(mask)
        for _ in range(r.randint(2, 6)):
            x, y, a, b = r.randint(60, 164), r.randint(60, 164), r.randint(20, 60), r.randint(20, 60)
            d.ellipse((x - a, y - b, x + a, y + b), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(1))


def draw_photo(r):
    im = crop(r)
    if r.random() < 0.5:
        base = Image.new("RGB", im.size, "white") if r.random() < 0.7 else background(r)[0]
        shade = np.asarray(crop(r).convert("L")).astype(np.float32) / 128
        if r.random() < 0.5:
            im = Image.fromarray(np.clip(np.asarray(im) * shade[..., None], 0, 255).astype(np.uint8))
        base.paste(im, (0, 0), silhouette(r))
        im = base
    return im, Scene("photo")
