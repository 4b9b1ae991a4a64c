#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/mixed.json: random texts of all scripts, how Hugging Face's tokenizers cuts them into pieces by the
DeepSeek-V3 patterns, and their ids in the tiny tokenizer.

Needs the PyPI package `tokenizers`. Usage: make_tokenizer_golden.py TOKENIZER_JSON > mixed.json
"""
import json
import random
import sys
import unicodedata

from tokenizers import Regex, Tokenizer, pre_tokenizers

SPACES = [chr(c) for c in (9, 10, 11, 12, 13, 32, 32, 32, 32, 10, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x202F, 0x3000, 0x200B, 0xFEFF, 0x1F)]
DIGITS = [chr(c) for c in range(0x20000) if unicodedata.category(chr(c))[0] == "N"]
SIGNS = "'\"!.,;:-_<>/\\|{}[]()~`@#$%^&*+=?"
ENDS = ["s", "re", "Ab", "a1", "é", "的", " ", "\n", "\r\n", "ー", "・"]
WORDS = ["The", " quick", "brown", " fox", "图片", "里有什么", "カタカナ", "ひらがな", "한국어", "Привет", "naïve", "e\u0301", "العربية", "हिन्दी", "👩‍👩‍👧", "x2", "3.14"]
RANGES = [(0, 0x80), (0, 0x300), (0, 0x3000), (0x3040, 0x3100), (0x4DF0, 0x5000), (0x9F90, 0xA000), (0, 0x10000), (0x10000, 0x20000), (0, 0x110000)]


def character(rng):
    while True:
        point = rng.randrange(*rng.choice(RANGES))
        if not 0xD800 <= point < 0xE000:
            return chr(point)


def part(rng, added):
    kind = rng.randrange(7)
    if kind == 0:
        return "".join(character(rng) for _ in range(rng.randrange(1, 12)))
    if kind == 1:
        return "".join(rng.choice(SPACES) for _ in range(rng.randrange(1, 6)))
    if kind == 2:
        return "".join(rng.choice(DIGITS) for _ in range(rng.randrange(1, 8)))
    if kind == 3:
        return rng.choice(added)[: rng.choice((2, 5, 99, 99))]
    if kind == 4:
        return character(rng) * rng.randrange(1, 80)
    if kind == 5:
        return "".join(rng.choice(SIGNS) + rng.choice(ENDS) for _ in range(rng.randrange(1, 5)))
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 5)))


def main():
    tokenizer = Tokenizer.from_file(sys.argv[1])
    with open(sys.argv[1], encoding="utf-8") as file:
        steps = json.load(file)["pre_tokenizer"]["pretokenizers"]
    splits = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(s["pattern"]["Regex"]), "isolated") for s in steps if s["type"] == "Split"])
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    rng = random.Random(20)
    cases = []
    for _ in range(300):
        text = "".join(part(rng, added) for _ in range(rng.randrange(1, 7)))
        pieces = [len(piece.encode()) for piece, _ in splits.pre_tokenize_str(text)]
        cases.append({"text": text, "pieces": pieces, "ids": tokenizer.encode(text, add_special_tokens=False).ids})
    print('{"cases": [')
    print(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
    print("]}")


if __name__ == "__main__":
    main()
