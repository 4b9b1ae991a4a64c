"""Accuracy by question type: freshly drawn pictures (real, swapped, grey) and a question set on disk.

    python evaluate.py --model MODEL_DIR --fresh 400 --dev QA_DIR

Decoding is greedy with a key-value cache. QA_DIR holds questions.jsonl, images and score.py (see its README).

On fresh pictures an answer counts as right by its meaning, as in such a question set: what was asked for must be
the same, that is the number of a count, the colour, the shape, the thing, yes or no, the place. The other types
compare the whole sentence. Next to it stands the share of answers that are the expected sentence to the letter.
"""

import argparse
import importlib.util
import json
import os
import random
import re
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

import chat
import questions
import render
from encoder import normalised
from questions import QA
from vocab import COLOUR_NAMES, COLOUR_ZH, PICT_EN, PICT_ZH, SHAPE_ZH, SHAPES

_YES_NO = r"\byes\b|\bno\b|^是的|^不是|^有|^没有"
_PLACES = r"\b(?:top|bottom|left|right|center|above|below)\b|[上下左右中]"


def _any_of(english, chinese):
    """-> pattern of names; longer Chinese names first, because some are part of others."""
    names = sorted(chinese, key=len, reverse=True)
    return r"\b(?:" + "|".join(english) + r")\b|" + "|".join(names)


_COLOUR, _SHAPE = _any_of(COLOUR_NAMES, COLOUR_ZH.values()), _any_of(SHAPES, SHAPE_ZH.values())
_THING = _any_of(PICT_EN, PICT_ZH)
ASKED = {  # what counts in the answer, by question type
    "count": r"\d+",
    "parts": r"\d+",
    "color": _YES_NO + "|" + _COLOUR,
    "shape": _SHAPE,
    "object": _THING,
    "exists": _YES_NO,
    "position": _PLACES,
    "relation": _YES_NO + "|" + _PLACES,
}
BARS = {  # abilities that are reported as one figure: types in the table of fresh()
    "what is it": ("object",),
    "shape": ("shape 1", "shape 2-4", "shape 5+"),
    "colour": ("color", "color 1", "color 2-4", "color 5+"),
    "count to 4": ("count 0", "count 1", "count 2", "count 3", "count 4"),
    "cannot tell": ("unknown",),
}


def same_meaning(type_, want, got):
    """Whether an answer says about what the type of question asks for the same as the right one, `want`."""
    if type_ not in ASKED:
        return want == got
    want, got = (re.findall(ASKED[type_], a.lower()) for a in (want, got))
    return bool(want) and want == got


def to_pixels(pictures):
    """list of uint8 [S, S, 3] -> float [B, 3, S, S], normalised."""
    return normalised(torch.from_numpy(np.stack(pictures)))


def load_picture(path, size=render.SIZE):
    """A file as the engine reads it: EXIF turn, white behind transparency, RGB, squashed to size -> [1, 3,
    S, S].
    """
    im = ImageOps.exif_transpose(Image.open(path))
    if im.mode in ("RGBA", "LA", "PA") or "transparency" in im.info:
        im = im.convert("RGBA")
        white = Image.new("RGBA", im.size, (255, 255, 255, 255))
        im = Image.alpha_composite(white, im)
    im = im.convert("RGB")
    w, h = im.size
    if min(w, h) < 32 and (w > 4 * h or h > 4 * w):
        square = Image.new("RGB", (max(w, h),) * 2)
        square.paste(im, (0, 0))
        im = square
    if max(im.size) > 3024:
        s = 3024 / max(im.size)
        im = im.resize((int(im.width * s), int(im.height * s)), Image.BILINEAR)
    x = to_pixels([np.asarray(im)])
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)


@torch.no_grad()
def image_rows(m, x):
    """[B, 3, S, S] -> image rows [B, tokens, hidden]."""
    device = m.lm_head.weight.device
    return torch.cat([m.project(m.vision_model(x[i : i + 64].to(device))) for i in range(0, len(x), 64)])


@torch.no_grad()
def generate(m, tok, prompts, rows, max_new=120):
    """Greedy decoding. prompts: B lists of ids; rows: B tensors [tokens, hidden] or None -> B lists of new
    ids.
    """
    b, width, device = len(prompts), max(map(len, prompts)), m.lm_head.weight.device
    n = torch.tensor([len(p) for p in prompts], device=device)
    every, place = torch.arange(b, device=device), torch.arange(width, device=device)
    ids = torch.tensor([p + [0] * (width - len(p)) for p in prompts], device=device)
    given = [x for x in rows if x is not None]
    x = m.embed(ids, torch.cat(given) if given else None, ids.eq(tok.im_patch))
    valid = place[None] < n[:, None]
    square = torch.ones(width, width, device=device)
    mask = square.tril().bool()[None] & valid[:, None] | square.diag().diag().bool()
    caches = [[] for _ in m.model.layers]
    h = m.trunk(x, place.expand(b, width), mask.unsqueeze(1), caches)
    h = h[every, n - 1][:, None]
    out, done = [[] for _ in prompts], [False] * b
    for t in range(max_new):
        nxt = m.logits(h)[:, 0].argmax(-1)
        for i, token in enumerate(nxt.tolist()):
            if not done[i]:
                out[i].append(token)
                done[i] = token == tok.eot
        if all(done):
            break
        valid = torch.cat((valid, torch.ones(b, 1, dtype=torch.bool, device=device)), 1)
        h = m.trunk(m.model.embed_tokens(nxt[:, None]), (n + t)[:, None], valid[:, None, None], caches)
    return out


def split_answer(tok, ids, thinking=True):
    """New ids -> (trace, answer). Without a closing </think> everything is trace."""
    ids = [i for i in ids if i != tok.eot]
    if not thinking:
        return "", tok.decode(ids).strip()
    if tok.end_think not in ids:
        return tok.decode(ids), ""
    k = ids.index(tok.end_think)
    return tok.decode(ids[:k]), tok.decode(ids[k + 1 :]).strip()


def answers(m, tok, qas, rows, think=True, system=None, batch=64):
    """QA list with one tensor of rows (or None) each -> list of (trace, answer)."""
    out = []
    for i in range(0, len(qas), batch):
        prompts = []
        for qa, row in zip(qas[i : i + batch], rows[i : i + batch]):
            n = len(row) if row is not None else 0
            p = tok.prefix(system, n) + tok.turns(qa, n > 0)
            prompts.append(p if think else p + [tok.end_think])
        got = generate(m, tok, prompts, rows[i : i + batch])
        out += [split_answer(tok, g, think) for g in got]
    return out


def table(hits):
    """{type: [right or not, ...]} -> {type: [share, number]}, with the total under "all"."""
    total = [h for v in hits.values() for h in v]
    res = {k: [round(sum(v) / len(v), 3), len(v)] for k, v in sorted(hits.items())}
    res["all"] = [round(sum(total) / max(1, len(total)), 3), len(total)]
    return res


def kind(qa, scene):
    """Name of a question in the tables: its type and, where it matters, the number of things."""
    if qa.type == "count":
        n = len(scene.items) if scene.kind == "objects" else 0
        return "bars" if scene.kind == "bar" else f"count {n}" if n < 5 else "count 5+"
    if scene.kind == "objects" and qa.type in ("color", "shape", "exists", "describe"):
        n = len(scene.items)
        return qa.type + (" 1" if n == 1 else " 2-4" if n < 5 else " 5+")
    return qa.type


def fresh(m, tok, n=200, seed=10**6 + 5, think=True, mode="real", per=4):
    """Accuracy on n new pictures, `per` questions each. mode: real, grey, swapped.

    -> {type: [share right by meaning, number, share of exact sentences]} with the abilities of BARS.
    """
    r = random.Random(seed)
    data = [render.picture(r) for _ in range(n)]
    pics = [x for x, _ in data]
    if mode == "grey":
        pics = [np.full_like(x, 128) for x in pics]
    rows = image_rows(m, to_pixels(pics))
    if mode == "swapped":
        rows = rows.roll(1, 0)
    qas, use, key = [], [], []
    for i, (_, s) in enumerate(data):
        for qa in questions.ask(r, s, per):
            qas.append(qa)
            use.append(rows[i])
            key.append(kind(qa, s))
    for _ in range(n // 4):
        qas.append(chat.chat(r))
        use.append(None)
        key.append("chat")
    hits = defaultdict(list)
    for qa, k, (_, a) in zip(qas, key, answers(m, tok, qas, use, think)):
        hits[k].append((same_meaning(qa.type, qa.answer, a), a == qa.answer))
    meant, exact = (table({k: [x[i] for x in v] for k, v in hits.items()}) for i in (0, 1))
    for name, types in BARS.items():
        both = [x for k in types for x in hits.get(k, ())]
        for res, i in ((meant, 0), (exact, 1)):
            res[name] = [round(sum(x[i] for x in both) / max(1, len(both)), 3), len(both)]
    return {k: v + exact[k][:1] for k, v in meant.items()}


def question_set(m, tok, folder, think=True, grey=False):
    """Score a question set on disk -> (table by type and language, list of dicts with every answer)."""
    spec = importlib.util.spec_from_file_location("score", os.path.join(folder, "score.py"))
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    items = [
        json.loads(line) for line in open(os.path.join(folder, "questions.jsonl"), encoding="utf-8")
    ]
    qas, rows = [], []
    for it in items:
        past = it.get("history", [])
        pairs = [(past[i]["content"], past[i + 1]["content"]) for i in range(0, len(past), 2)]
        qas.append(QA(it["type"], it["lang"], it["question"], "", history=pairs))
        if it["image"]:
            x = load_picture(os.path.join(folder, it["image"]))
            rows.append(to_pixels([np.full((render.SIZE,) * 2 + (3,), 128, np.uint8)]) if grey else x)
        else:
            rows.append(None)
    enc = image_rows(m, torch.cat([x for x in rows if x is not None]))
    it_rows = iter(enc)
    rows = [next(it_rows) if x is not None else None for x in rows]
    hits, out = defaultdict(list), []
    for it, (t, a) in zip(items, answers(m, tok, qas, rows, think)):
        ok = score.judge(it, a)
        hits[it["type"]].append(ok)
        out.append(dict(id=it["id"], type=it["type"], question=it["question"], trace=t, answer=a, ok=ok))
    res = table(hits)
    for lang in ("en", "zh"):
        ok = [o["ok"] for o, it in zip(out, items) if it["lang"] == lang]
        res[lang] = [round(sum(ok) / max(1, len(ok)), 3), len(ok)]
    return res, out


def main():
    from export import load_model

    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--model", required=True, help="exported model folder")
    p.add_argument("--fresh", type=int, default=400)
    p.add_argument("--dev", help="folder of a question set")
    p.add_argument("--answers", help="write every answer of the question set to this file")
    a = p.parse_args()
    torch.set_num_threads(1)
    m, tok = load_model(a.model)
    if a.fresh:
        for mode in ("real", "grey", "swapped"):
            print("fresh", mode, json.dumps(fresh(m, tok, a.fresh, mode=mode)))
        print("fresh, thinking off", json.dumps(fresh(m, tok, a.fresh, think=False)))
    if a.dev:
        res, rows = question_set(m, tok, a.dev)
        print("set", json.dumps(res))
        print("set, grey", json.dumps(question_set(m, tok, a.dev, grey=True)[0]))
        print("set, thinking off", json.dumps(question_set(m, tok, a.dev, think=False)[0]))
        if a.answers:
            with open(a.answers, "w", encoding="utf-8") as f:
                for row in rows:
                    f.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
