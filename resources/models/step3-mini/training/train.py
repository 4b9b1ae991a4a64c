"""Joint stage: the whole model on questions about drawn pictures.

    python tokenizer.py runs/tok
    python train.py --out runs/joint --tok runs/tok.model --encoder runs/enc/enc.pt --minutes 7 \
        --device cuda --workers 15

The vision part goes on training at a lower rate, its label heads too. An interrupted run continues from
OUT/last.pt.
"""

import argparse
import json
import os
import random
import time
from dataclasses import asdict

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

import batches
import evaluate
import render
from encoder import POS, Heads, keep_positions, normalised, vision_optimisers
from model import Config, Step3Mini
from muon import Muon
from tokenizer import Tokenizer
from workers import Workers


def load_encoder(m, heads, ck):
    """Vision tensors and label heads from the encoder stage."""
    sd = {k: v for k, v in ck["model"].items() if k.startswith("vi")}
    left = m.load_state_dict(sd, strict=False)
    assert not left.unexpected_keys and not [k for k in left.missing_keys if k.startswith("vi")], left
    heads.load_state_dict(ck["heads"])


@torch.no_grad()
def calibrate(m, heads, r, position=0.5, n=100):
    """Scale the projected tokens to rms 1 and the part that only says where they are to `position` of
    the rest.

    The first POS channels of the patches are constant positions and the convolutions are linear, so
    scaling those input channels of the first convolution scales the position part alone.
    """
    pictures = torch.from_numpy(np.stack([render.picture(r)[0] for _ in range(n)]))
    v = m.vision_model(normalised(pictures.to(heads.token.weight.device)))
    t = m.project(v)
    content = (t - t.mean(0)).pow(2).mean().sqrt()
    z = v.clone()
    z[..., :POS] = 0
    place = t - m.project(z)
    place = (place - place.mean(1, keepdim=True)).pow(2).mean().sqrt()
    m.vit_downsampler.weight[:, :POS] *= (position * content / place).item()
    s = (1 / m.project(v).pow(2).mean().sqrt()).item()
    k = s ** (1 / 3)
    m.vit_downsampler.weight *= k
    m.vit_downsampler.bias *= k
    m.vit_downsampler2.weight *= k
    m.vit_downsampler2.bias *= k * k
    m.vit_large_projector.weight *= k
    heads.token.weight /= s


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a = p.add_argument
    a("--out", required=True)
    a("--tok", required=True)
    a("--encoder", help="encoder checkpoint; needed unless --init is given")
    a("--init", help="continue from the weights of another joint run")
    a(
        "--minutes",
        type=float,
        default=7.0,
        help="wall clock of the whole schedule, evaluations included",
    )
    a("--steps", type=int, default=0, help="schedule by steps instead (reproducible)")
    a("--pictures", type=int, default=160)
    a("--chats", type=int, default=10)
    a("--branches", type=int, default=8, help="questions per picture")
    a(
        "--easy",
        type=float,
        default=0.06,
        help="first share of the run in which the number of things grows",
    )
    a("--no_think", type=float, default=0.25, help="share of questions answered without a trace")
    a("--kinds", default="{}", help="JSON with shares of kinds of pictures that differ from render.KINDS")
    a("--lr", type=float, default=0.02)
    a("--adam", type=float, default=3e-3)
    a("--vision_lr", type=float, default=0.3, help="learning rate of the vision part, relative to its own stage; 0: it stays as it is")
    a("--aux", type=float, default=0.1, help="weight of the label losses")
    a("--config", default="{}", help="JSON with sizes that differ from model.Config")
    a("--seed", type=int, default=0)
    a("--every", type=float, default=2.0, help="minutes between evaluations and checkpoints")
    a("--dev", help="folder of a question set to report on")
    a("--device", default="cpu")
    a("--workers", type=int, default=1, help="processes that draw")
    a("--parts", type=int, default=3, help="groups of segments of similar length in a batch")
    return p.parse_args()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    tok = Tokenizer(a.tok)
    c = Config(vocab_size=tok.size, **json.loads(a.config))
    last = os.path.join(a.out, "last.pt")
    ck = torch.load(last, weights_only=False, map_location="cpu") if os.path.exists(last) else None
    step, spent = (ck["step"], ck["spent"]) if ck else (0, 0.0)
    kinds = render.KINDS | json.loads(a.kinds)
    progress = mp.Value("d", spent / a.minutes)

    def draw(r, s):
        e = s / a.steps if a.steps else progress.value
        hard = min(1.0, e / a.easy) if a.easy else 1.0
        return batches.draw(r, tok, a.pictures, a.chats, c.image_tokens, a.branches, a.no_think, hard, kinds)

    workers = Workers(a.workers, a.seed + 77, step, draw, batches.slot_bytes(a.pictures, a.chats, a.branches))
    m = Step3Mini(c).to(a.device)
    heads = Heads(c).to(a.device)
    if ck or a.init:
        start_from = ck or torch.load(a.init, weights_only=False, map_location="cpu")
        m.load_state_dict(start_from["model"])
        heads.load_state_dict(start_from["heads"])
    else:
        load_encoder(m, heads, torch.load(a.encoder, weights_only=False, map_location="cpu"))
        calibrate(m, heads, random.Random(a.seed + 5))
    keep_positions(m)
    text = [(n, p) for n, p in m.named_parameters() if not n.startswith("vi")]
    muon = [p for n, p in text if p.ndim >= 2 and "layers" in n and ".gate." not in n]
    ids = set(map(id, muon))
    adam = [p for _, p in text if id(p) not in ids]
    opts = [
        Muon(muon, a.lr),
        torch.optim.AdamW(adam, lr=a.adam, betas=(0.9, 0.98), weight_decay=0.01),
        *vision_optimisers(m, a.lr * a.vision_lr, 2e-3 * a.vision_lr),
    ]
    opts[3].add_param_group(dict(params=list(heads.parameters())))
    base = [o.param_groups[0]["lr"] for o in opts]
    if ck:
        for o, s in zip(opts, ck["opts"]):
            o.load_state_dict(s)
    log = open(os.path.join(a.out, "log.jsonl"), "a")

    def say(**k):
        line = json.dumps(k, ensure_ascii=False)
        log.write(line + "\n")
        log.flush()
        print(line, flush=True)

    def save(path):
        ck = dict(
            model=m.state_dict(),
            heads=heads.state_dict(),
            config=asdict(c),
            step=step,
            spent=elapsed(),
            opts=[o.state_dict() for o in opts],
            args=vars(a),
        )
        torch.save(ck, path + ".new")
        os.replace(path + ".new", path)

    def report(n):
        m.eval()
        d = dict(step=step, min=round(elapsed(), 2), fresh=evaluate.fresh(m, tok, n))
        if a.dev:
            d["dev"] = evaluate.question_set(m, tok, a.dev)[0]
        m.train()
        say(**d)

    start = time.time()

    def elapsed():
        return spent + (time.time() - start) / 60

    mark, asked, wait = elapsed(), 0, 0.0
    total = torch.zeros(3, device=a.device)  # loss, label loss, share of right tokens
    say(parameters=sum(p.numel() for p in m.parameters()), text=sum(p.numel() for _, p in text), config=asdict(c), args=vars(a))
    m.train()
    while (e := step / a.steps if a.steps else elapsed() / a.minutes) < 1:
        f = min(1, (step + 1) / 60) * max(0.005, 1 - e)
        for o, b in zip(opts, base):
            for g in o.param_groups:
                g["lr"] = b * f
        progress.value = e
        t = time.time()
        d = workers.next(lambda arrays, n: batches.to_device(arrays, n, a.device, a.parts))
        wait += time.time() - t
        with torch.autocast(a.device, torch.bfloat16):
            with torch.set_grad_enabled(a.vision_lr > 0):
                v = m.vision_model(d.pixels)
                rows = m.project(v)
                aux = heads.loss(v, rows, d.labels)
            h = m.trunk(m.embed(d.ids, rows, d.ids.eq(tok.im_patch)), d.pos, d.layout)
            z = m.logits(h[0, d.learnt])
        loss = F.cross_entropy(z.float(), d.target)
        balance = sum(x.moe.balance for x in m.model.layers if x.sparse)
        (loss + a.aux * aux + 0.01 * balance).backward()
        torch.nn.utils.clip_grad_norm_([p for o in (opts[1], opts[3]) for g in o.param_groups for p in g["params"]], 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        asked += d.questions
        with torch.no_grad():
            total += torch.stack((loss, aux, (z.argmax(-1) == d.target).float().mean()))
        if step % 50 == 0:
            now = dict(zip(("loss", "aux", "hit"), (round(x / 50, 3) for x in total.tolist())))
            total.zero_()
            pictures = step * a.pictures
            say(step=step, min=round(elapsed(), 2), pictures=pictures, questions=asked, tokens=d.ids.shape[1], wait=round(wait, 1), **now)
        if elapsed() - mark > a.every:
            save(last)
            report(60)
            mark = elapsed()
    workers.stop()
    save(os.path.join(a.out, "final.pt"))
    report(300)


if __name__ == "__main__":
    main()
