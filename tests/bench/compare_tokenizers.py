#!/usr/bin/env python3
"""Compares the tokenizer with Hugging Face's `tokenizers` on the same texts: speed on one thread in CPU time, and that the ids agree.

Usage: compare_tokenizers.py step3_tokenizer_bench TOKENIZER_JSON [NAME=TEXT_FILE ...] [--repeat N]

Needs the PyPI package `tokenizers`. Build the program with `cmake --build --preset release --target step3_tokenizer_bench`. Without
texts: English from /usr/share/common-licenses, Chinese from the system's zh_CN message catalogues, code from this repository.
"""
import argparse
import array
import gettext
import glob
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "0"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402: reads the environment

MUST, AIM = 3.5, 6.0  # encode, ours over theirs
LIMIT = 1_000_000     # bytes of a default text


def default_texts():
    """English, Chinese and code that a Debian system and this repository have."""
    root = pathlib.Path(__file__).resolve().parents[2]
    chinese = []
    for catalogue in sorted(glob.glob("/usr/share/locale/zh_CN/LC_MESSAGES/*.mo")):
        with open(catalogue, "rb") as file:
            messages = gettext.GNUTranslations(file)._catalog
        chinese += [text for key, text in messages.items() if key and isinstance(text, str) and any(c > "\u4e00" for c in text)]
    sources = sorted(p for folder in ("engine", "kernels", "app", "tests") for p in (root / folder).rglob("*.*") if p.suffix in (".cpp", ".h", ".py"))
    return {
        "English": "".join(pathlib.Path(p).read_text(errors="replace") for p in sorted(glob.glob("/usr/share/common-licenses/*"))),
        "Chinese": "\n".join(chinese),
        "code": "".join(p.read_text() for p in sources),
    }


def cpu_median(repeat, run):
    """Median CPU seconds and the last result."""
    seconds = []
    for _ in range(repeat):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("tokenizer")
    parser.add_argument("texts", nargs="*", metavar="NAME=FILE")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    if args.texts:
        texts = {name: pathlib.Path(file).read_text(encoding="utf-8", newline="") for name, file in (item.split("=", 1) for item in args.texts)}
    else:
        texts = {name: text.encode()[:LIMIT].decode(errors="ignore") for name, text in default_texts().items()}

    load, peer = cpu_median(3, lambda: Tokenizer.from_file(args.tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, text in texts.items():
            files.append(os.path.join(folder, name))
            with open(files[-1], "w", encoding="utf-8", newline="") as file:
                file.write(text)
        ids_file = os.path.join(folder, "ids")
        done = subprocess.run([args.binary, args.tokenizer, "--repeat", str(args.repeat), "--ids", ids_file, *files], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr.strip())
        ours = json.loads(done.stdout)
        all_ids = array.array("i")
        with open(ids_file, "rb") as file:
            all_ids.frombytes(file.read())

    print(f"load average {os.getloadavg()[0]:.1f}; CPU time, 1 thread, median of {args.repeat}; encode: must {MUST}x, aim {AIM}x")
    print(f"load: ours {ours['load']['median_s']:.3f} s, HF {load:.3f} s")
    print(f"{'text':10}{'bytes':>10}{'ours MB/s':>12}{'HF MB/s':>10}{'ratio':>8}{'ours dec M/s':>14}{'HF dec M/s':>12}  ids")
    differ = False
    first = 0
    for (name, text), one in zip(texts.items(), ours["texts"]):
        size = len(text.encode())
        encode, encoding = cpu_median(args.repeat, lambda: peer.encode(text, add_special_tokens=False))
        decode, _ = cpu_median(args.repeat, lambda: peer.decode(encoding.ids, skip_special_tokens=False))
        same = all_ids[first:first + one["tokens"]].tolist() == encoding.ids
        first += one["tokens"]
        differ |= not same
        print(f"{name:10}{size:10}{one['encode']['mb_per_s']:12.2f}{size / 1e6 / encode:10.2f}{one['encode']['mb_per_s'] * 1e6 * encode / size:8.1f}"
              f"{one['decode']['tokens_per_s'] / 1e6:14.1f}{len(encoding.ids) / 1e6 / decode:12.1f}  {'equal' if same else 'DIFFERENT'}")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
