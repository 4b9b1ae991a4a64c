#!/usr/bin/env python3
"""Compares the path from an encoded picture to the model's input with the same steps in Pillow and numpy, in CPU time on one thread.

Usage: compare_images.py step3_image_bench [PICTURE ...] [--repeat N]

Needs the PyPI packages Pillow and numpy. Build the program with `cmake --build --preset release --target step3_image_bench`. Without
pictures: a 12-megapixel JPEG with the statistics of a photograph. Ours and Pillow alternate. The whole view is the picture at 728 x 728;
with crops there are the 504 x 504 windows besides. Pillow resizes the 8-bit picture to 728 x 728 where the model's rule, and so this
engine, resizes floats.
"""
import argparse
import io
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image, features

MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)
LEVELS = ((np.arange(256, dtype=np.float32) / 255)[None] - MEAN[:, None]) / STD[:, None]
LONGEST, VIEW, WINDOW = 3024, 728, 504
MUST, AIM = 1.0, 0.7  # ours over theirs


def photograph(width=4000, height=3000):
    """Noise at all scales, larger where coarser, as JPEG of quality 90."""
    rng = np.random.default_rng(1)
    picture = rng.normal(size=(height, width, 3)).astype(np.float32) * 0.04
    for scale in (4, 8, 16, 32, 64, 128, 256, 512):
        for channel in range(3):
            coarse = Image.fromarray(rng.normal(size=(height // scale + 2, width // scale + 2)).astype(np.float32))
            picture[..., channel] += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) * scale ** 0.6
    picture = (picture - picture.mean()) / picture.std() * 50 + 128
    out = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def normalised(picture):
    """[3, height, width] floats, by a table of the 256 levels: faster than arithmetic."""
    pixels = np.asarray(picture)
    return np.stack([LEVELS[c][pixels[..., c]] for c in range(3)])


def crop_side(side):
    whole = side // WINDOW
    return WINDOW * (whole + (side / WINDOW - whole > 0.2)) if side >= WINDOW else side


def pillow_times(encoded):
    """CPU milliseconds: decode, whole view, whole view and crops."""
    start = time.process_time()
    picture = Image.open(io.BytesIO(encoded)).convert("RGB")
    picture.load()
    decoded = time.process_time()
    scale = min(1.0, LONGEST / max(picture.size))
    size = tuple(int(side * scale) for side in picture.size)
    whole = picture.resize(size, Image.Resampling.BILINEAR) if size != picture.size else picture
    normalised(whole.resize((VIEW, VIEW), Image.Resampling.BILINEAR))
    viewed = time.process_time()
    crops = tuple(crop_side(side) for side in size)
    source = whole.resize(crops, Image.Resampling.BILINEAR) if crops != size else whole
    starts = [[min(i * WINDOW, side - WINDOW) for i in range(math.ceil((side - WINDOW) / WINDOW + 1))] for side in crops]
    kept = [normalised(source.crop((x, y, x + WINDOW, y + WINDOW))) for y in starts[1] for x in starts[0]]
    cropped = time.process_time()
    del kept
    return {"decode": 1e3 * (decoded - start), "whole_view": 1e3 * (viewed - decoded), "view_and_crops": 1e3 * (cropped - decoded)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("pictures", nargs="*")
    parser.add_argument("--repeat", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = args.pictures
        if not pictures:
            pictures = [os.path.join(folder, "photograph.jpg")]
            with open(pictures[0], "wb") as file:
                file.write(photograph())
        for path in pictures:
            with open(path, "rb") as file:
                encoded = file.read()
            ours = {"decode": [], "whole_view": [], "view_and_crops": []}
            theirs = {step: [] for step in ours}
            for _ in range(args.repeat):
                done = subprocess.run([args.binary, "--repeat", "1", path], capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(done.stderr.strip())
                report = json.loads(done.stdout)
                for step in ours:
                    ours[step].append(report["pictures"][0][step]["cpu_ms"])
                for step, value in pillow_times(encoded).items():
                    theirs[step].append(value)
            one = report["pictures"][0]
            print(f"{os.path.basename(path)}: {one['width']}x{one['height']}, {one['crops']} crops, {report['isa']}; load average {os.getloadavg()[0]:.1f}; "
                  f"Pillow with libjpeg-turbo {features.version('libjpeg_turbo')}; CPU ms, median of {args.repeat} (spread); must {MUST}x, aim {AIM}x")
            for name, steps in (("decode", ["decode"]), ("to whole view", ["decode", "whole_view"]), ("to view and crops", ["decode", "view_and_crops"])):
                line = f"  {name:20}"
                medians = []
                for runs in (ours, theirs):
                    totals = [sum(values) for values in zip(*(runs[step] for step in steps))]
                    medians.append(statistics.median(totals))
                    line += f"{medians[-1]:9.1f} ({(max(totals) - min(totals)) / medians[-1]:.0%})"
                print(f"{line}   ratio {medians[0] / medians[1]:.2f}")


if __name__ == "__main__":
    main()
