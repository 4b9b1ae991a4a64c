"""Training batches of the language stages: pictures with questions, and how their tokens are laid out.

A batch holds pictures with several questions each: a shared prefix up to the image, then the questions
as separate branches. A branch sees the prefix and itself and its positions restart after the prefix, so
every branch is exactly the prompt of a single question while the picture is encoded once.
"""

from dataclasses import dataclass

import numpy as np
import torch

import chat
import questions
import render
from encoder import normalised, unpacked
from model import Packed
from vocab import N_LABELS


def branch(r, tok, qa, trace, image, no_think):
    """-> (ids, length of the prompt) of one question; what follows the prompt is learnt."""
    prompt = tok.turns(qa, image)
    out = tok.spell(qa.answer) + [tok.eot]
    if not qa.think:
        out = [tok.end_think] + out
    elif r.random() < no_think:
        prompt = prompt + [tok.end_think]
    else:
        out = tok.spell(trace) + [tok.end_think] + out
    return prompt + out, len(prompt)


def counts_at(hard):
    """Weights of 1..7 things in a picture: few things at the start of a run (hard = 0), all at the end
    (1).
    """
    return [w * (1 if i < 2 else max(hard, 0.02)) for i, w in enumerate(render.COUNT_WEIGHTS)]


def make_row(r, tok, n_image, branches, no_think, hard=1.0, kinds=None, pair=0.05):
    """One picture (two, none) with its questions -> (prefix ids, list of (ids, prompt length), [(picture,
    scene)]).
    """
    image, two = n_image > 0, n_image > 0 and r.random() < pair
    if two:
        shown = [render.picture(r, dict(objects=1), counts=[1]) for _ in range(2)]
        if r.random() < 0.35:
            shown[1] = shown[0]
        qas = questions.ask_pair(r, shown[0][1], shown[1][1], branches)
        traces = [questions.trace_pair(shown[0][1], shown[1][1])] * branches
    elif image:
        shown = [render.picture(r, kinds, counts_at(hard))]
        qas = questions.ask(r, shown[0][1], branches)
        if r.random() < 0.15:
            qas[0] = chat.chat(r, True)
        traces = [questions.trace(shown[0][1], qa) for qa in qas]
    else:
        shown, qas, traces = [], [chat.chat(r) for _ in range(branches)], [""] * branches
    prefix = tok.prefix(r.choice(chat.SYSTEM) if r.random() < 0.15 else None, n_image, 1 + two)
    return prefix, [branch(r, tok, qa, t, image, no_think) for qa, t in zip(qas, traces)], shown


def flatten(rows):
    """Rows -> (ids, positions, places whose next token is learnt, segments (start, length, start and length of
    the prefix), sorted by length).
    """
    ids, pos, learnt, segments = [], [], [], []
    for prefix, branches, _ in rows:
        p0, p = len(ids), len(prefix)
        segments.append((p0, p, 0, 0))
        ids += prefix
        pos += range(p)
        for a, n in branches:
            learnt += range(len(ids) + n - 1, len(ids) + len(a) - 1)
            segments.append((len(ids), len(a), p0, p))
            ids += a
            pos += range(p, p + len(a))
    segments.sort(key=lambda x: x[1])
    return ids, pos, learnt, segments


def draw(r, tok, pictures, chats, n_image, branches, no_think, hard=1.0, kinds=None):
    """-> (arrays of a batch, number of questions), see Batch."""
    rows = [make_row(r, tok, n_image, branches, no_think, hard, kinds) for _ in range(pictures)]
    rows += [make_row(r, tok, 0, branches, no_think) for _ in range(chats)]
    ids, pos, learnt, segments = flatten(rows)
    shown = [x for row in rows for x in row[2]]
    arrays = dict(
        ids=np.array(ids, np.int32),
        pos=np.array(pos, np.int32),
        learnt=np.array(learnt, np.int32),
        segments=np.array(segments, np.int32),
        pixels=np.stack([x for x, _ in shown]),
        bits=render.label_bits([s for _, s in shown]),
    )
    return arrays, sum(len(x[1]) for x in rows)


def slot_bytes(pictures, chats, branches):
    """Enough shared memory for the arrays of a batch."""
    shown = 2 * pictures * (render.SIZE**2 * 3 + render.GRID**2 * -(-N_LABELS // 8))
    return shown + (pictures + chats) * (branches + 1) * 400 * 12 + 65536


def ceil_to(n, k):
    return -(-n // k) * k


def layout(segments, total, parts, device):
    """Segments [M, 4] (numpy, sorted by length) of `total` tokens -> Packed in `parts` groups on the device."""
    groups, base = [], 0
    back = torch.zeros(total + 1, dtype=torch.long, device=device)  # the last place collects padding
    for part in np.array_split(segments, parts):
        s, p = ceil_to(int(part[:, 1].max()), 8), ceil_to(int(part[:, 3].max()), 8)
        start, length, pre, pre_n = torch.from_numpy(part).long().to(device).T.unsqueeze(-1)  # each [G, 1]
        place, before = torch.arange(s, device=device)[None], torch.arange(p, device=device)[None]
        real = place < length
        q = torch.where(real, start + place, 0)
        kv = torch.cat((torch.where(before < pre_n, pre + before, 0), q), 1)
        causal = torch.ones(s, s, dtype=torch.bool, device=device).tril()
        mask = torch.cat(((before < pre_n)[:, None].expand(-1, s, -1), causal.expand(len(part), -1, -1)), 2)
        groups.append((q, kv, torch.where(mask, 0.0, -1e4).unsqueeze(2)))
        back[torch.where(real, start + place, total).flatten()] = base + torch.arange(real.numel(), device=device)
        base += real.numel()
    return Packed(groups, back[:total])


@dataclass
class Batch:
    """A batch on the device: flat tokens ids, pos [1, N] with their layout; learnt [T]: places whose next token
    `target` [T] is learnt; pixels [P, 3, S, S]; labels [P, g * g, L].
    """

    ids: torch.Tensor
    pos: torch.Tensor
    layout: Packed
    learnt: torch.Tensor
    target: torch.Tensor
    pixels: torch.Tensor
    labels: torch.Tensor
    questions: int


def to_device(arrays, asked, device, parts):
    """What draw() made -> Batch. Tokens are padded to a multiple of 256, which keeps the number of different
    shapes small.
    """
    n = len(arrays["ids"])
    total = ceil_to(n, 256)
    t = {k: torch.from_numpy(x).to(device, copy=True) for k, x in arrays.items() if k != "segments"}
    ids = torch.zeros(1, total, dtype=torch.long, device=device)
    pos = torch.zeros(1, total, dtype=torch.long, device=device)
    ids[0, :n], pos[0, :n], learnt = t["ids"], t["pos"], t["learnt"].long()
    return Batch(
        ids,
        pos,
        layout(np.array(arrays["segments"]), total, parts, device),
        learnt,
        ids[0, learnt + 1],
        normalised(t["pixels"]),
        unpacked(t["bits"]),
        asked,
    )
