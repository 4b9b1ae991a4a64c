"""Vision encoder stage: trains the ViT, the two convolutions and the projector on drawn pictures with
patch labels.

    python encoder.py --out runs/enc --minutes 30

What makes a post-norm ViT learn within minutes: attention starts as a convolution. POS of the channels
carry only 2-D sin/cos positions. The patch embedding and the LayerNorm gains and biases are zero there
and stay so (masked gradients), so every layer reads clean positions. q.k of the positions, with q
rotated by (dx, dy), makes each of the 8 heads point at one of the 8 neighbours (distance 1, 1, 2, 3 in
layers 1-4). For most of the run the softmax is not computed: each head copies its value from the patch
that its position score points at. Near the end ordinary softmax attention with the same weights
replaces the copies and everything trains. The result holds ordinary Step3 tensors.
"""

import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import render
from muon import Muon
from vocab import LABEL_GROUPS, N_LABELS

NEIGHBOURS = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)]
FREQUENCIES = (0.4, 0.9, 1.4, 1.9)
POS = 4 * len(FREQUENCIES)  # channels reserved for positions
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def pixels(pictures):
    """list of uint8 [S, S, 3] -> normalised float [B, S, S, 3]."""
    return (torch.from_numpy(np.stack(pictures)).float() / 255 - MEAN) / STD


def position_code(x, y):
    """[...] coordinates -> [..., POS]: cos and sin of x and y at every frequency."""
    return torch.cat(
        [
            torch.stack((torch.cos(f * x), torch.sin(f * x), torch.cos(f * y), torch.sin(f * y)), -1)
            for f in FREQUENCIES
        ],
        -1,
    )


def grid_code(g):
    """-> [g * g, POS] position codes of the patches, centred."""
    y, x = torch.meshgrid(torch.arange(g).float(), torch.arange(g).float(), indexing="ij")
    return position_code(x - (g - 1) / 2, y - (g - 1) / 2).view(-1, POS)


class Block(nn.Module):
    """One ViT layer, residual post-norm. shift: heads copy from fixed neighbours instead of softmax
    attention.
    """

    def __init__(self, width, heads, ffn, grid, distance, gain):
        super().__init__()
        self.heads, self.grid, self.shift = heads, grid, True
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, ffn), nn.Linear(ffn, width)
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        d = width // heads
        with torch.no_grad():
            for lin in (self.q, self.k):
                lin.weight.zero_()
                lin.bias.zero_()
            for h, (dx, dy) in enumerate(NEIGHBOURS[:heads]):
                self._aim(h * d, dx * distance, dy * distance, gain * d**0.5)
        self.source = self._sources()

    def _aim(self, row, dx, dy, gain):
        """Rows of one head: k = code(x, y), q = gain * code(x + dx, y + dy), a rotation of the code."""
        for i in range(POS):
            self.k.weight[row + i, i] = 1.0
        for j, f in enumerate(FREQUENCIES):
            for a, off in ((0, dx), (2, dy)):
                i = 4 * j + a
                c, s = gain * math.cos(f * off), gain * math.sin(f * off)
                w = self.q.weight
                w[row + i, i], w[row + i, i + 1], w[row + i + 1, i], w[row + i + 1, i + 1] = c, -s, s, c

    @torch.no_grad()
    def _sources(self):
        """Per head the patch index that the position score points at, borders included: list of [grid *
        grid].
        """
        d, code = self.q.weight.shape[0] // self.heads, grid_code(self.grid)
        out = []
        for h in range(self.heads):
            rows = slice(h * d, h * d + d)
            out.append(
                ((code @ self.q.weight[rows, :POS].T) @ (code @ self.k.weight[rows, :POS].T).T).argmax(1)
            )
        return out

    def mix(self, x):
        b, n, w = x.shape
        d = w // self.heads
        v = self.v(x)
        if self.shift:
            return torch.cat([v[:, self.source[h], h * d : (h + 1) * d] for h in range(self.heads)], -1)
        q, k, v = (z.view(b, n, self.heads, d).transpose(1, 2) for z in (self.q(x), self.k(x), v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, w)

    def forward(self, x):
        x = x + self.n1(self.o(self.mix(x)))
        h = self.fc1(x)
        return x + self.n2(self.fc2(h * torch.sigmoid(1.702 * h)))


class Encoder(nn.Module):
    """ViT + convolutions + projector + two linear label heads (patches, projected tokens)."""

    def __init__(self, a):
        super().__init__()
        self.p, self.g = a.patch, render.SIZE // a.patch
        w, g = a.width, self.g
        self.patch = nn.Linear(3 * a.patch**2, w)
        self.cls = nn.Parameter(torch.randn(1, w) * 0.02)
        self.pos = nn.Parameter(torch.randn(g * g + 1, w) * 0.02)
        self.layers = nn.ModuleList(Block(w, a.heads, a.ffn, g, dist, a.gain) for dist in (1, 1, 2, 3))
        self.d1, self.d2 = nn.Conv2d(w, a.out_width, 2, 2), nn.Conv2d(
            a.out_width, 2 * a.out_width, 3, 2, 1
        )
        self.proj = nn.Linear(2 * a.out_width, a.hidden, bias=False)
        self.head_patch, self.head_token = nn.Linear(w, N_LABELS), nn.Linear(a.hidden, N_LABELS)
        for h in (self.head_patch, self.head_token):
            nn.init.zeros_(h.weight)
            nn.init.constant_(h.bias, -2.0)
        self._reserve_positions()

    @torch.no_grad()
    def _reserve_positions(self):
        keep = torch.ones(self.patch.weight.shape[0])
        keep[:POS] = 0
        self.pos[1:, :POS] = grid_code(self.g)
        self.pos[0, :POS] = 0
        self.cls[:, :POS] = 0
        self.patch.weight[:POS] = 0
        self.patch.bias[:POS] = 0
        locked = [self.patch.bias, self.pos, self.cls]
        for b in self.layers:
            for n in (b.n1, b.n2):
                n.weight[:POS] = 0
                n.bias[:POS] = 0
                locked += [n.weight, n.bias]
        self.patch.weight.register_hook(lambda g: g * keep[:, None])
        for p in locked:
            p.register_hook(lambda g: g * keep)

    def patches(self, im):
        """[B, S, S, 3] -> [B, g * g, p * p * 3]."""
        b, g, p = len(im), self.g, self.p
        return im.view(b, g, p, g, p, 3).transpose(2, 3).reshape(b, g * g, -1)

    def trunk(self, im):
        x = self.patch(self.patches(im)) + self.pos[1:]
        shift = self.layers[0].shift
        if not shift:  # Step3 puts four copies of the class row in front
            x = torch.cat(((self.cls + self.pos[:1]).expand(len(x), 4, -1), x), 1)
        for b in self.layers:
            x = b(x)
        return x if shift else x[:, 4:]

    def tokens(self, x):
        """[B, g * g, width] -> [B, tokens, hidden]."""
        f = self.d2(self.d1(x.transpose(1, 2).reshape(len(x), -1, self.g, self.g)))
        return self.proj(f.flatten(2).transpose(1, 2))

    def softmax_on(self):
        for b in self.layers:
            b.shift = False


@torch.no_grad()
def whiten(m, floor=0.1, n=160):
    """Start the patch embedding as PCA whitening of patches, so that edges count as much as the mean
    colour.
    """
    r = random.Random(9)
    x = m.patches(pixels([render.picture(r)[0] for _ in range(n)])).reshape(-1, 3 * m.p**2)
    mu = x.mean(0)
    e, v = torch.linalg.eigh((x - mu).T @ (x - mu) / len(x))
    k = min(m.patch.weight.shape[0] - POS, len(e))
    w = (v.flip(1)[:, :k] / (e.flip(0)[:k] + floor * e.mean()).sqrt()).T
    m.patch.weight[POS : POS + k] = w
    m.patch.bias[POS : POS + k] = -w @ mu


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
        present = n > 0
        score = zg.logsumexp(-1) - math.log(b - a)
        total = total + 0.2 * F.binary_cross_entropy_with_logits(
            score, present.float(), pos_weight=torch.tensor(2.0)
        )
        if present.any():
            t = yg[present] / n[present].unsqueeze(-1)
            total = total - 0.5 * (t * zg[present].log_softmax(-1)).sum(-1).mean()
    return total


def draw_batch(r, n, boards):
    """-> pixels [n, S, S, 3], patch labels [n, g * g, L]. boards: share of boards that are full of things,
    a third of them strings, which suits this stage.
    """
    out = []
    for _ in range(n):
        t = r.random()
        if t < boards:
            x = render.picture(r, dict(board=2, strings=1))
        elif t < 0.85:
            kind = r.choices(("shape", "pict", "mixed"), (0.42, 0.43, 0.15))[0]
            x = render.picture(r, dict(objects=1), kind=kind, counts=[2, 2, 2, 2, 2, 2, 1])
        else:
            x = render.picture(r)
        out.append(x)
    y = torch.from_numpy(np.stack([render.patch_labels(s) for _, s in out])).float()
    return pixels([x for x, _ in out]), y


@torch.no_grad()
def probe(m, sets):
    """Accuracy over patches and tokens with exactly one label of a group."""
    res = {}
    for name, (x, y) in sets.items():
        hit = {}
        for i in range(0, len(x), 50):
            t = m.trunk(x[i : i + 50])
            for tag, z, lab in (
                ("patch", m.head_patch(t), y[i : i + 50]),
                ("token", m.head_token(m.tokens(t)), token_labels(y[i : i + 50], m.g)),
            ):
                for k, (a, b) in LABEL_GROUPS.items():
                    s = lab[..., a:b].sum(-1) == 1
                    ok = (z[..., a:b][s].argmax(-1) == lab[..., a:b][s].argmax(-1)).float()
                    h = hit.setdefault(f"{tag} {k}", [0, 0])
                    h[0] += ok.sum().item()
                    h[1] += len(ok)
        res[name] = {k: round(a / max(1, b), 3) for k, (a, b) in hit.items()}
    return res


def step3_tensors(m):
    """-> the vision tensors under their Step3 names; the label heads are dropped."""
    p, d = m.p, {}
    d["vision_model.embeddings.class_embedding"] = m.cls
    d["vision_model.embeddings.position_embedding.weight"] = m.pos
    d["vision_model.embeddings.patch_embedding.weight"] = m.patch.weight.view(-1, p, p, 3).permute(
        0, 3, 1, 2
    )
    d["vision_model.embeddings.patch_embedding.bias"] = m.patch.bias
    for i, b in enumerate(m.layers):
        n = f"vision_model.transformer.layers.{i}."
        for t in ("weight", "bias"):
            d[f"{n}self_attn.qkv_proj.{t}"] = torch.cat([getattr(x, t) for x in (b.q, b.k, b.v)])
            for k, x in (
                ("self_attn.out_proj", b.o),
                ("layer_norm1", b.n1),
                ("layer_norm2", b.n2),
                ("mlp.fc1", b.fc1),
                ("mlp.fc2", b.fc2),
            ):
                d[f"{n}{k}.{t}"] = getattr(x, t)
    for k, x in (("vit_downsampler", m.d1), ("vit_downsampler2", m.d2)):
        d[k + ".weight"], d[k + ".bias"] = x.weight, x.bias
    d["vit_large_projector.weight"] = m.proj.weight
    return {k: v.detach().clone().contiguous() for k, v in d.items()}


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a = p.add_argument
    a("--out", required=True)
    a("--minutes", type=float, default=30, help="wall clock of the whole schedule")
    a("--steps", type=int, default=0, help="schedule by steps instead (reproducible)")
    a("--patch", type=int, default=8)
    a("--width", type=int, default=128)
    a("--heads", type=int, default=8)
    a("--ffn", type=int, default=256)
    a("--out_width", type=int, default=192)
    a("--hidden", type=int, default=192)
    a("--gain", type=float, default=3.0, help="sharpness of the neighbour heads")
    a("--lr", type=float, default=0.02)
    a("--adam", type=float, default=2e-3)
    a("--batch", type=int, default=16)
    a("--boards", type=float, default=0.5)
    a(
        "--softmax_after",
        type=float,
        default=0.88,
        help="share of the run after which real attention starts",
    )
    a("--seed", type=int, default=0)
    a("--every", type=float, default=2.0)
    a("--bf16", type=int, default=1)
    return p.parse_args()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    r = random.Random(a.seed + 1)
    m = Encoder(a)
    whiten(m)
    sets = {
        "fresh": draw_batch(random.Random(777), 250, 0.4),
        "scenes": draw_batch(random.Random(778), 250, 0.0),
    }
    muon = [p for n, p in m.named_parameters() if "layers" in n and p.ndim == 2 or n == "proj.weight"]
    ids = set(map(id, muon))
    adam = [p for p in m.parameters() if id(p) not in ids]
    opts = [Muon(muon, a.lr), torch.optim.AdamW(adam, lr=a.adam, betas=(0.9, 0.98), weight_decay=0.01)]
    base = [o.param_groups[0]["lr"] for o in opts]
    step, spent, avg, last = 0, 0.0, 0.0, os.path.join(a.out, "enc.pt")
    if os.path.exists(last):
        ck = torch.load(last, weights_only=False)
        m.load_state_dict(ck["state"])
        for o, x in zip(opts, ck["opts"]):
            o.load_state_dict(x)
        step, spent, avg = ck["step"], ck["spent"], ck["loss"]
        r.setstate(ck["random"])
        if ck["softmax"]:
            m.softmax_on()
    log = open(os.path.join(a.out, "log.jsonl"), "a")
    start = mark = time.time()

    def elapsed():
        return spent + (time.time() - start) / 60

    def save():
        ck = dict(
            state=m.state_dict(),
            sd=step3_tensors(m),
            opts=[o.state_dict() for o in opts],
            step=step,
            spent=elapsed(),
            loss=avg,
            random=r.getstate(),
            softmax=not m.layers[0].shift,
            args=vars(a),
        )
        torch.save(ck, last + ".new")
        os.replace(last + ".new", last)

    def report(tag):
        cpu = round(time.process_time() / 60, 2)
        d = dict(tag=tag, min=round(elapsed(), 2), cpu=cpu, step=step, pictures=step * a.batch)
        d |= dict(loss=round(avg, 3), **probe(m, sets))
        log.write(json.dumps(d) + "\n")
        log.flush()
        print(json.dumps(d), flush=True)

    while (e := step / a.steps if a.steps else elapsed() / a.minutes) < 1:
        f = min(1, (step + 1) / 30) * (1 - e) + 0.005
        for o, b in zip(opts, base):
            o.param_groups[0]["lr"] = b * f
        if e >= a.softmax_after and m.layers[0].shift:
            report("before softmax")
            m.softmax_on()
            report("softmax on")
        x, y = draw_batch(r, a.batch, a.boards)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(a.bf16)):
            t = m.trunk(x)
            zp, zt = m.head_patch(t), m.head_token(m.tokens(t))
        loss = label_loss(zp, y) + label_loss(zt, token_labels(y, m.g))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adam, 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        avg = loss.item() if step == 1 else 0.98 * avg + 0.02 * loss.item()
        if (time.time() - mark) / 60 > a.every:
            report("run")
            save()
            mark = time.time()
    m.softmax_on()
    report("end")
    save()


if __name__ == "__main__":
    main()
