"""Question wordings (phrases_en.txt, phrases_zh.txt), random choices in them, and surface noise."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))


def text_lines(name):
    """Lines of a text file beside this one: comments and empty lines dropped, continued lines joined."""
    out = []
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        for line in f.read().split("\n"):
            if line.startswith("  "):
                out[-1] += line[2:]
            elif line and not line.startswith("#"):
                out.append(line)
    return out


def load(name):
    """-> {key: [template, ...]} with the shared parts put in."""
    parts, table = {}, {}
    for line in text_lines(name):
        if line.startswith("== "):
            current = table.setdefault(line[3:], [])
        elif " = " in line and not table:
            key, value = line.split(" = ", 1)
            parts[key] = value
        else:
            for key, value in parts.items():
                line = line.replace(key, value)
            current.append(line)
    return table


EN, ZH = load("phrases_en.txt"), load("phrases_zh.txt")

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def expand(r, text):
    """Resolve the [a|b] choices, innermost first."""
    while True:
        text, n = _CHOICE.subn(lambda m: r.choice(m.group(1).split("|")), text)
        if not n:
            return text


_DROP = set("the is of in are there it do does you a an this to on me".split())
_EN_BEFORE = ["Please: ", "Hi, ", "Hello, ", "Look at the picture. ", "Question: ", "Quick question: "]
_EN_BEFORE += ["Now, ", "Next: ", "Well, ", "OK, ", "Hey, ", "Here is a picture. ", "Look: "]
_EN_AFTER = [" Thanks.", " Please.", " Answer briefly.", " Thank you.", " Be short."]
_EN_AFTER += [" Answer in one sentence."]
_ZH_BEFORE = ["请看图。", "你好,", "请问,", "看图回答:", "问题:", "看一下,"]
_ZH_AFTER = ["谢谢。", "请简短回答。", "用一句话回答。"]


def roughen(r, text, zh):
    """Surface noise: case, punctuation, a dropped little word, words before and after."""
    if zh:
        if r.random() < 0.5:
            text = text.replace("?", "？").replace(",", "，")
        if r.random() < 0.12:
            text = text.rstrip("?？。")
        if r.random() < 0.05:
            text = r.choice(_ZH_BEFORE) + text
        if r.random() < 0.04:
            text += r.choice(_ZH_AFTER)
        return text
    if r.random() < 0.1:
        words = text.split(" ")
        drop = [i for i, w in enumerate(words) if i and w.lower() in _DROP]
        if drop:
            del words[r.choice(drop)]
            text = " ".join(words)
    if r.random() < 0.05:
        b = r.choice(_EN_BEFORE)
        text = b + (text[0].lower() + text[1:] if b[-2] in ",:" and not text.startswith("I ") else text)
    if r.random() < 0.05:
        text += r.choice(_EN_AFTER)
    t = r.random()
    if t < 0.1:
        text = text.lower()
    elif t < 0.12:
        text = text.upper()
    if r.random() < 0.12:
        text = text.rstrip("?.")
    return text
