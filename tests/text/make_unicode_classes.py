#!/usr/bin/env python3
"""Writes engine/text/unicode_classes.inc: the Unicode classes that Hugging Face's tokenizers sees, taken from its own regular expressions.

Needs the PyPI package `tokenizers`. Usage: make_unicode_classes.py > engine/text/unicode_classes.inc
"""
from tokenizers import Regex, __version__, pre_tokenizers

# Bits as in engine/text/unicode_classes.h.
CLASSES = {r"\p{L}": 1, r"\p{M}": 2, r"\p{N}": 4, r"\p{P}": 8, r"\p{S}": 16, r"\s": 32}


def members(pattern):
    """All code points that match."""
    splitter = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set()
    for base in range(0, 0x110000, 0x400):
        points = [c for c in range(base, base + 0x400) if not 0xD800 <= c < 0xE000]
        if points:
            kept = {points[i] for _, (a, b) in splitter.pre_tokenize_str("".join(map(chr, points))) for i in range(a, b)}
            found.update(set(points) - kept)
    return found


def main():
    flags = [0] * 0x110000
    for pattern, bit in CLASSES.items():
        for point in members(pattern):
            flags[point] |= bit
    runs = [(c, flags[c]) for c in range(0x110000) if c == 0 or flags[c] != flags[c - 1]]
    print(f"// Made by tests/text/make_unicode_classes.py from tokenizers {__version__}: {len(runs)} runs, first code point << 8 | classes.")
    line = ""
    for first, bits in runs:
        item = f"0x{first << 8 | bits:X},"
        if len(line) + len(item) + 1 > 138:
            print(line)
            line = ""
        line += (" " if line else "") + item
    print(line)


if __name__ == "__main__":
    main()
