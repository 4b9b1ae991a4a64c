"""Writes the WebP pictures of this folder and expected.json: what Pillow makes of them. Needs Pillow, here 13.0.

Upright by EXIF, transparent parts over white, then RGB, as vLLM does it."""
import hashlib
import io
import json
import pathlib
import struct

from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent


def picture(mode, width, height):
    """Waves with hard edges, all channels different; alpha runs from 0 to 255."""
    pixels = []
    for y in range(height):
        for x in range(width):
            edge = 90 if (x // 7 + y // 5) % 2 else 0
            colour = (x * 255 // width, (y * 255 // height + edge) % 256, (x * 3 + y * 5 + edge) % 256)
            pixels.append(colour + ((x * 37 + y * 11) % 256,) if mode == "RGBA" else colour)
    image = Image.new(mode, (width, height))
    image.putdata(pixels)
    return image


def webp(image, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def chunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def number(value):
    return struct.pack("<I", value)[:3]


def small_first_frame(canvas, at, frame, alpha):
    """An animation of one frame that covers a part of the canvas only; Pillow itself writes whole ones."""
    size = [number(side - 1) for side in canvas]
    head = bytes([0x02 | (0x10 if alpha else 0), 0, 0, 0]) + b"".join(size)
    data = webp(frame, lossless=True)[12:]
    if data[:4] == b"VP8X":
        data = data[18:]
    position = number(at[0] // 2) + number(at[1] // 2) + number(frame.width - 1) + number(frame.height - 1)
    frames = chunk(b"ANIM", struct.pack("<IH", 0x800040FF, 0)) + chunk(b"ANMF", position + number(100) + b"\0" + data)
    body = b"WEBP" + chunk(b"VP8X", head) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def upright_rgb(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode == "RGBA":
        over_white = Image.new("RGB", image.size, (255, 255, 255))
        over_white.paste(image, mask=image.getchannel("A"))
        return over_white
    return image.convert("RGB")


FILES = {
    "lossy": webp(picture("RGB", 61, 43), quality=80),
    "lossy_one_pixel": webp(picture("RGB", 1, 1), quality=80),
    "lossy_alpha": webp(picture("RGBA", 45, 31), quality=70),
    "lossy_exif6": webp(picture("RGB", 50, 21), quality=60, exif=exif(6)),
    "lossless": webp(picture("RGB", 37, 29), lossless=True),
    "lossless_alpha": webp(picture("RGBA", 33, 21), lossless=True, exact=True),
    "lossless_alpha_exif5": webp(picture("RGBA", 19, 26), lossless=True, exif=exif(5)),
    "lossless_exif8": webp(picture("RGB", 23, 14), lossless=True, exif=exif(8)),
    "animated": webp(picture("RGB", 24, 17), save_all=True, append_images=[Image.new("RGB", (24, 17), "red")]),
    "animated_alpha": webp(picture("RGBA", 24, 17), save_all=True, lossless=True,
                           append_images=[Image.new("RGBA", (24, 17), "red")]),
    "animated_part": small_first_frame((20, 15), (4, 2), picture("RGB", 11, 9), alpha=False),
    "animated_part_alpha": small_first_frame((20, 15), (6, 4), picture("RGBA", 11, 9), alpha=True),
    "animated_part_hidden_alpha": small_first_frame((20, 15), (6, 4), picture("RGBA", 11, 9), alpha=False),
}

expected = []
for name, data in FILES.items():
    (HERE / f"{name}.webp").write_bytes(data)
    image = upright_rgb(data)
    expected.append({"file": f"{name}.webp", "rgb_size": list(image.size),
                     "rgb_sha256": hashlib.sha256(image.tobytes()).hexdigest()})
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
