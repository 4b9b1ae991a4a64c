"""Vision encoder stage: trains the ViT, the two convolutions and the projector on drawn pictures with
patch labels.

    python encoder.py --out runs/enc --minutes 2.2 --device cuda --workers 15

What makes a post-norm ViT learn within minutes: attention starts as a convolution. POS of the channels
carry only 2-D sin/cos positions. The patch embedding and the LayerNorm gains and biases are zero there
and stay so (masked gradients), so every layer reads clean positions. q.k of the positions, with q
rotated by (dx, dy), makes each of the 8 heads point at one of the 8 neighbours, at a distance that grows
with the layer (DISTANCES). For the first part of the run q and k stay as they are. Labels of the patches and
of the projected tokens are trained together. The result holds ordinary Step3 tensors.
"""

import argparse
import json
import math
import os
import random
import time
from dataclasses import asdict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import render
from model import Config, Step3Mini
from muon import Muon
from vocab import LABEL_GROUPS, N_LABELS
from workers import Workers

NEIGHBOURS = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)]
DISTANCES = (1, 1, 2, 2, 3, 4)
FREQUENCIES = (0.4, 0.9, 1.4, 1.9)
POS = 4 * len(FREQUENCIES)  # channels reserved for positions
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def normalised(x):
    """uint8 [B, S, S, 3] -> float [B, 3, S, S] as the model reads it."""
    x = (x.float() / 255 - MEAN.to(x.device)) / STD.to(x.device)
    return x.permute(0, 3, 1, 2).contiguous()


def unpacked(bits):
    """Label bits [..., ceil(L / 8)] -> float [..., L]."""
    shift = torch.arange(7, -1, -1, device=bits.device, dtype=torch.uint8)
    return ((bits.unsqueeze(-1) >> shift) & 1).flatten(-2)[..., :N_LABELS].float()


def grid_code(g):
    """-> [g * g, POS] position codes of the patches, centred: cos and sin of x and y at every frequency."""
    y, x = torch.meshgrid(torch.arange(g).float(), torch.arange(g).float(), indexing="ij")
    x, y = x - (g - 1) / 2, y - (g - 1) / 2
    parts = [torch.stack((torch.cos(f * x), torch.sin(f * x), torch.cos(f * y), torch.sin(f * y)), -1) for f in FREQUENCIES]
    return torch.cat(parts, -1).view(-1, POS)


def aim(weight, width, row, dx, dy, gain):
    """Rows of one head of qkv_proj: k = code(x, y), q = gain * code(x + dx, y + dy), a rotation of the code."""
    for i in range(POS):
        weight[width + row + i, i] = 1.0
    for j, f in enumerate(FREQUENCIES):
        for a, off in ((0, dx), (2, dy)):
            i = 4 * j + a
            c, s = gain * math.cos(f * off), gain * math.sin(f * off)
            weight[row + i, i], weight[row + i, i + 1] = c, -s
            weight[row + i + 1, i], weight[row + i + 1, i + 1] = s, c


@torch.no_grad()
def prepare(m, gain):
    """Positions in the reserved channels, heads aimed at neighbours, patch embedding that whitens."""
    c, e = m.c, m.vision_model.embeddings
    w, d = c.v_hidden, c.v_hidden // c.v_heads
    for layer, distance in zip(m.vision_model.transformer["layers"], DISTANCES):
        qkv = layer.self_attn.qkv_proj
        qkv.weight[: 2 * w] = 0
        qkv.bias[: 2 * w] = 0
        for h, (dx, dy) in enumerate(NEIGHBOURS[: c.v_heads]):
            aim(qkv.weight, w, h * d, dx * distance, dy * distance, gain * d**0.5)
        for n in (layer.layer_norm1, layer.layer_norm2):
            n.weight[:POS] = 0
            n.bias[:POS] = 0
    table = e.position_embedding.weight
    table.normal_(0, 0.02)
    table[1:, :POS] = grid_code(c.grid)
    table[0, :POS] = 0
    e.class_embedding[:, :POS] = 0
    e.patch_embedding.weight[:POS] = 0
    e.patch_embedding.bias[:POS] = 0
    whiten(m)


@torch.no_grad()
def whiten(m, floor=0.1, n=160):
    """Start the patch embedding as PCA whitening of patches, so that edges count as much as the mean colour."""
    r, p = random.Random(9), m.c.patch_size
    x = normalised(torch.from_numpy(np.stack([render.picture(r)[0] for _ in range(n)])))
    x = F.unfold(x, p, stride=p).transpose(1, 2).reshape(-1, 3 * p * p)
    mu = x.mean(0)
    e, v = torch.linalg.eigh((x - mu).T @ (x - mu) / len(x))
    k = min(m.c.v_hidden - POS, len(e))
    w = (v.flip(1)[:, :k] / (e.flip(0)[:k] + floor * e.mean()).sqrt()).T
    conv = m.vision_model.embeddings.patch_embedding
    conv.weight[POS : POS + k] = w.view(k, 3, p, p)
    conv.bias[POS : POS + k] = -w @ mu


def keep_positions(m):
    """Masks gradients so that the reserved channels stay as they are."""
    keep = torch.ones(m.c.v_hidden, device=next(m.parameters()).device)
    keep[:POS] = 0
    e = m.vision_model.embeddings
    locked = [e.patch_embedding.bias, e.position_embedding.weight, e.class_embedding]
    for layer in m.vision_model.transformer["layers"]:
        for n in (layer.layer_norm1, layer.layer_norm2):
            locked += [n.weight, n.bias]
    e.patch_embedding.weight.register_hook(lambda g: g * keep[:, None, None, None])
    for p in locked:
        p.register_hook(lambda g: g * keep)


def keep_aim(m):
    """Masks the gradients of q and k; -> function that lets them train."""
    w = m.c.v_hidden
    hooks = []
    for layer in m.vision_model.transformer["layers"]:
        for p in (layer.self_attn.qkv_proj.weight, layer.self_attn.qkv_proj.bias):
            hooks.append(p.register_hook(lambda g: torch.cat((torch.zeros_like(g[: 2 * w]), g[2 * w :]))))
    return lambda: [h.remove() for h in hooks]


class Heads(nn.Module):
    """Label heads on the patches and on the projected tokens; they are not part of the model."""

    def __init__(self, c):
        super().__init__()
        self.patch, self.token = nn.Linear(c.v_hidden, N_LABELS), nn.Linear(c.hidden_size, N_LABELS)
        for h in (self.patch, self.token):
            nn.init.zeros_(h.weight)
            nn.init.constant_(h.bias, -2.0)

    def loss(self, patches, rows, labels):
        """patches [B, g * g, width], rows [B, tokens, hidden], labels [B, g * g, L]."""
        g = math.isqrt(labels.shape[1])
        return label_loss(self.patch(patches), labels) + label_loss(self.token(rows), token_labels(labels, g))


def token_labels(y, g):
    """[B, g * g, L] -> [B, tokens, L]: union over the 4x4 patches of each token (with the padding of the
    strides).
    """
    f = F.pad(y.transpose(1, 2).reshape(len(y), -1, g, g), (1, 1, 1, 1))
    n = ((g - 2) // 2) // 2 + 1
    return F.max_pool2d(f, 4, 4)[:, :, :n, :n].flatten(2).transpose(1, 2)


def label_loss(z, y):
    """Per label group: cross-entropy over the group where a label is present, plus a presence term."""
    total = 0.0
    for a, b in LABEL_GROUPS.values():
        zg, yg = z[..., a:b].float(), y[..., a:b]
        n = yg.sum(-1)
        present = (n > 0).float()
        score = zg.logsumexp(-1) - math.log(b - a)
        weight = torch.where(present > 0, 2.0, 1.0)
        total = total + 0.2 * (weight * F.binary_cross_entropy_with_logits(score, present, reduction="none")).mean()
        t = yg / n.clamp(min=1).unsqueeze(-1)
        total = total - 0.5 * (t * zg.log_softmax(-1)).sum() / present.sum().clamp(min=1)
    return total


def vision_optimisers(m, lr, adam_lr, weight_decay=0.0):
    """-> [Muon on the layers' matrices and the projector, AdamW on the rest] of the vision part."""
    named = [(n, p) for n, p in m.named_parameters() if n.startswith("vi")]
    muon = [p for n, p in named if "layers" in n and p.ndim == 2 or n == "vit_large_projector.weight"]
    for layer in m.vision_model.transformer["layers"]:
        layer.self_attn.qkv_proj.weight.parts = 3
    ids = set(map(id, muon))
    rest = [p for _, p in named if id(p) not in ids]
    return [
        Muon(muon, lr, weight_decay=weight_decay),
        torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=weight_decay),
    ]


def draw_batch(r, n, boards):
    """-> arrays: pixels uint8 [n, S, S, 3], bits of the patch labels. boards: share of boards that are full of
    things, half of them strings, which suits this stage.
    """
    out = []
    for _ in range(n):
        t = r.random()
        if t < boards:
            x = render.picture(r, dict(board=1, strings=1))
        elif t < 0.8:
            kind = r.choices(("shape", "pict", "mixed"), (0.42, 0.43, 0.15))[0]
            x = render.picture(r, dict(objects=1), kind=kind, counts=[2, 2, 2, 2, 2, 2, 1])
        else:
            x = render.picture(r)
        out.append(x)
    return dict(pixels=np.stack([x for x, _ in out]), bits=render.label_bits([s for _, s in out]))


@torch.no_grad()
def probe(m, heads, sets, device):
    """Accuracy over patches and tokens with exactly one label of a group."""
    res = {}
    for name, batch in sets.items():
        hit = {}
        for i in range(0, len(batch["pixels"]), 50):
            x, y = (torch.from_numpy(batch[k][i : i + 50]).to(device) for k in ("pixels", "bits"))
            y = unpacked(y)
            t = m.vision_model(normalised(x))
            for tag, z, lab in (
                ("patch", heads.patch(t), y),
                ("token", heads.token(m.project(t)), token_labels(y, m.c.grid)),
            ):
                for k, (a, b) in LABEL_GROUPS.items():
                    s = lab[..., a:b].sum(-1) == 1
                    ok = (z[..., a:b][s].argmax(-1) == lab[..., a:b][s].argmax(-1)).float()
                    h = hit.setdefault(f"{tag} {k}", [0, 0])
                    h[0] += ok.sum().item()
                    h[1] += len(ok)
        res[name] = {k: round(a / max(1, b), 3) for k, (a, b) in hit.items()}
    return res


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a = p.add_argument
    a("--out", required=True)
    a("--minutes", type=float, default=2.2, help="wall clock of the whole schedule")
    a("--steps", type=int, default=0, help="schedule by steps instead (reproducible)")
    a("--config", default="{}", help="JSON with sizes that differ from model.Config")
    a("--gain", type=float, default=3.0, help="sharpness of the neighbour heads")
    a("--lr", type=float, default=0.02)
    a("--adam", type=float, default=2e-3)
    a("--batch", type=int, default=96)
    a("--boards", type=float, default=0.55)
    a("--aimed", type=float, default=0.5, help="share of the run in which q and k do not train")
    a("--seed", type=int, default=0)
    a("--every", type=float, default=1.0, help="minutes between reports and checkpoints")
    a("--device", default="cpu")
    a("--workers", type=int, default=1, help="processes that draw")
    return p.parse_args()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    last = os.path.join(a.out, "enc.pt")
    ck = torch.load(last, weights_only=False, map_location="cpu") if os.path.exists(last) else None
    step, spent = (ck["step"], ck["spent"]) if ck else (0, 0.0)
    slot = a.batch * (render.SIZE**2 * 3 + render.GRID**2 * -(-N_LABELS // 8)) + 4096
    workers = Workers(a.workers, a.seed, step, lambda r, s: (draw_batch(r, a.batch, a.boards), None), slot)
    c = Config(vocab_size=1, **json.loads(a.config))  # the text part is not used
    m = Step3Mini(c)
    heads = Heads(c)
    prepare(m, a.gain)
    m.to(a.device)
    heads.to(a.device)
    keep_positions(m)
    release = keep_aim(m)
    sets = {
        "fresh": draw_batch(random.Random(777), 200, 0.4),
        "scenes": draw_batch(random.Random(778), 200, 0.0),
    }
    opts = vision_optimisers(m, a.lr, a.adam)
    opts[1].add_param_group(dict(params=list(heads.parameters())))
    base = [o.param_groups[0]["lr"] for o in opts]
    vision = [p for n, p in m.named_parameters() if n.startswith("vi")]
    if ck:
        m.load_state_dict(ck["model"])
        heads.load_state_dict(ck["heads"])
        for o, x in zip(opts, ck["opts"]):
            o.load_state_dict(x)
    log = open(os.path.join(a.out, "log.jsonl"), "a")
    start = mark = time.time()
    loss = torch.zeros(())

    def elapsed():
        return spent + (time.time() - start) / 60

    def save():
        ck = dict(
            model=m.state_dict(),
            heads=heads.state_dict(),
            opts=[o.state_dict() for o in opts],
            step=step,
            spent=elapsed(),
            config=asdict(c),
            args=vars(a),
        )
        torch.save(ck, last + ".new")
        os.replace(last + ".new", last)

    def report():
        d = dict(min=round(elapsed(), 2), step=step, pictures=step * a.batch)
        d |= dict(loss=round(loss.item(), 3), **probe(m, heads, sets, a.device))
        log.write(json.dumps(d) + "\n")
        log.flush()
        print(json.dumps(d), flush=True)

    def on_device(arrays, _):
        return [torch.from_numpy(arrays[k]).to(a.device, copy=True) for k in ("pixels", "bits")]

    while (e := step / a.steps if a.steps else elapsed() / a.minutes) < 1:
        f = min(1, (step + 1) / 30) * (1 - e) + 0.005
        for o, b in zip(opts, base):
            for g in o.param_groups:
                g["lr"] = b * f
        if release and e >= a.aimed:
            release()
            release = None
        x, bits = workers.next(on_device)
        with torch.autocast(a.device, torch.bfloat16):
            t = m.vision_model(normalised(x))
            now = heads.loss(t, m.project(t), unpacked(bits))
        now.backward()
        torch.nn.utils.clip_grad_norm_(vision, 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        loss = now.detach() if step == 1 else loss.to(a.device).lerp(now.detach(), 0.02)
        if (time.time() - mark) / 60 > a.every:
            report()
            save()
            mark = time.time()
    workers.stop()
    report()
    save()


if __name__ == "__main__":
    main()
