"""Last stage: the multi-token prediction module on the frozen model.

    python mtp.py --init runs/joint/final.pt --tok runs/tok.model --out runs/mtp.pt --minutes 8

Prints the acceptance: the share of tokens of the model's own greedy answers that the module guesses, which
is what a speculative decoder with one drafted token would accept.
"""

import argparse
import json
import random
import time

import torch
import torch.nn.functional as F

import batches
import chat
import evaluate
import questions
import render
from model import MTP, Config, Step3Mini
from muon import Muon
from tokenizer import Tokenizer
from workers import Workers


def tensor_name(key, layer):
    """Name inside model.layers. of a weight of the module."""
    return f"{layer}." + ("shared_head.norm.weight" if key == "norm.weight" else key.removeprefix("layer."))


def shifted(x):
    """The rows of x [1, N, hidden] one place later."""
    return torch.cat((x[:, 1:], torch.zeros_like(x[:, :1])), 1)


def loss_of(m, mtp, d, tok, device):
    """-> (loss, share of right guesses) on one training batch."""
    with torch.autocast(device, torch.bfloat16):
        with torch.no_grad():
            x = m.embed(d.ids, m.project(m.vision_model(d.pixels)), d.ids.eq(tok.im_patch))
            h = m.trunk(x, d.pos, d.layout)
        use = d.learnt[:-1][d.learnt.diff() == 1]  # the token after the next one is learnt too
        z = m.lm_head(mtp(h, shifted(x), *m.angles(d.pos), d.layout)[0, use])
    target = d.ids[0, use + 2]
    return F.cross_entropy(z.float(), target), (z.argmax(-1) == target).float().mean().item()


@torch.no_grad()
def acceptance(m, mtp, tok, n=150, seed=5):
    """Share of the model's own greedy tokens (from the second on) that the module guesses."""
    r = random.Random(seed)
    right = total = 0
    for _ in range(n):
        x, scene = render.picture(r)
        row = evaluate.image_rows(m, evaluate.to_pixels([x]))[0]
        qa = questions.ask(r, scene, 1)[0]
        if r.random() < 0.1:
            qa, row = chat.chat(r), None
        image = row is not None
        prompt = tok.prefix(None, len(row) if image else 0) + tok.turns(qa, image)
        ids = prompt + evaluate.generate(m, tok, [prompt], [row])[0]
        t = torch.tensor([ids], device=m.lm_head.weight.device)
        e = m.embed(t, row[None] if image else None, t.eq(tok.im_patch))
        pos = torch.arange(len(ids), device=t.device)[None]
        mask = torch.ones(1, 1, len(ids), len(ids), dtype=torch.bool, device=t.device).tril()
        h = m.trunk(e, pos, mask)
        guess = m.lm_head(mtp(h, shifted(e), *m.angles(pos), mask))[0].argmax(-1)
        start = len(prompt) - 1  # the first drafted token follows the first token of the answer
        right += (guess[start:-2] == t[0, start + 2 :]).sum().item()
        total += len(ids) - start - 2
    return right / total


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a = p.add_argument
    a("--init", required=True, help="joint checkpoint")
    a("--tok", required=True)
    a("--out", required=True, help="checkpoint with the module added")
    a("--minutes", type=float, default=8)
    a("--steps", type=int, default=0, help="schedule by steps instead (reproducible)")
    a("--start", help="checkpoint of an earlier run of this stage, whose module is the start")
    a("--lr", type=float, default=0.02)
    a("--pictures", type=int, default=12)
    a("--seed", type=int, default=0)
    a("--device", default="cpu")
    a("--workers", type=int, default=1, help="processes that draw")
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    tok = Tokenizer(a.tok)
    ck = torch.load(a.init, weights_only=False, map_location="cpu")
    c = Config(**ck["config"])
    chats, branches = max(1, a.pictures // 16), 6

    def draw(r, _):
        return batches.draw(r, tok, a.pictures, chats, c.image_tokens, branches, 0.4)

    workers = Workers(a.workers, a.seed + 99, 0, draw, batches.slot_bytes(a.pictures, chats, branches))
    m = Step3Mini(c)
    m.load_state_dict(ck["model"])
    m.to(a.device).eval().requires_grad_(False)
    mtp = MTP(c).to(a.device)
    if a.start:
        earlier = torch.load(a.start, weights_only=False, map_location="cpu")["mtp"]
        mtp.load_state_dict({k: earlier[tensor_name(k, c.num_hidden_layers)] for k in mtp.state_dict()})
    muon = [q for q in mtp.parameters() if q.ndim == 2]
    adam = [q for q in mtp.parameters() if q.ndim == 1]
    opts = [Muon(muon, a.lr), torch.optim.AdamW(adam, lr=0.15 * a.lr, betas=(0.9, 0.98))]
    base = [o.param_groups[0]["lr"] for o in opts]
    start, step, avg = time.time(), 0, {}
    while (e := step / a.steps if a.steps else (time.time() - start) / 60 / a.minutes) < 1:
        for o, b in zip(opts, base):
            o.param_groups[0]["lr"] = b * min(1, (step + 1) / 20) * max(0.01, 1 - e)
        d = workers.next(lambda arrays, n: batches.to_device(arrays, n, a.device, 4))
        loss, hit = loss_of(m, mtp, d, tok, a.device)
        loss.backward()
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        for k, v in dict(loss=loss.item(), hit=hit).items():
            avg[k] = 0.95 * avg.get(k, v) + 0.05 * v
        if step % 50 == 0:
            print(json.dumps(dict(step=step, **{k: round(v, 3) for k, v in avg.items()})), flush=True)
    workers.stop()
    ck["mtp"] = {tensor_name(k, c.num_hidden_layers): v for k, v in mtp.state_dict().items()}
    torch.save({k: ck[k] for k in ("model", "config", "mtp")}, a.out)
    print(json.dumps(dict(acceptance=round(acceptance(m, mtp.eval(), tok), 3))))


if __name__ == "__main__":
    main()
