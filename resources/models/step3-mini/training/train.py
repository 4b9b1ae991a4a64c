"""Joint stage: text model, convolutions and projector on questions about drawn pictures; the ViT is frozen.

    python tokenizer.py runs/tok
    python train.py --out runs/joint --tok runs/tok.model --encoder runs/enc/enc.pt --minutes 60

A batch holds pictures with several questions each: a shared prefix up to the image, then the questions
as separate branches. A branch sees the prefix and itself and its positions restart after the prefix, so
every branch is exactly the prompt of a single question while the picture is encoded once. Interrupted
runs continue from OUT/last.pt.
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
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

import chat
import evaluate
import questions
import render
from encoder import POS, label_loss, token_labels
from model import Config, Packed, Step3Mini
from muon import Muon
from tokenizer import Tokenizer
from vocab import N_LABELS


def branch(r, tok, qa, trace, image, no_think):
    """-> (ids, loss weights) of one question. The prompt has weight 0, the model's part weight 1."""
    prompt = tok.turns(qa, image)
    out = tok.spell(qa.answer) + [tok.eot]
    if not qa.think:
        out = [tok.end_think] + out
    elif r.random() < no_think:
        prompt = prompt + [tok.end_think]
    else:
        out = tok.spell(trace) + [tok.end_think] + out
    return prompt + out, [0.0] * len(prompt) + [1.0] * len(out)


def counts_at(hard):
    """Weights of 1..7 things in a picture: few things at the start of a run (hard = 0), all at the end
    (1).
    """
    return [w * (1 if i < 2 else max(hard, 0.02)) for i, w in enumerate(render.COUNT_WEIGHTS)]


def make_row(r, tok, n_image, branches, no_think, hard=1.0, pair=0.05):
    """One picture (two, none) with its questions -> (prefix ids, list of (ids, weights), [(picture,
    scene)]).
    """
    image, two = n_image > 0, n_image > 0 and r.random() < pair
    if two:
        shown = [render.picture(r, dict(objects=1), counts=[1]) for _ in range(2)]
        if r.random() < 0.35:
            shown[1] = shown[0]
        trace = questions.trace_pair(shown[0][1], shown[1][1])
        qas = questions.ask_pair(r, shown[0][1], shown[1][1], branches)
    elif image:
        shown = [render.picture(r, counts=counts_at(hard))]
        trace = questions.trace(shown[0][1])
        qas = questions.ask(r, shown[0][1], branches)
        if r.random() < 0.15:
            qas[0] = chat.chat(r, True)
    else:
        shown, trace, qas = [], "", [chat.chat(r) for _ in range(branches)]
    prefix = tok.prefix(r.choice(chat.SYSTEM) if r.random() < 0.15 else None, n_image, 1 + two)
    return prefix, [branch(r, tok, qa, trace, image, no_think) for qa in qas], shown


def ceil_to(n, k):
    return -(-n // k) * k


def pack(rows):
    """Rows -> flat ids, weights, positions [1, N] and the attention layout.

    Sizes are rounded up (N with empty tokens at the end), because every new matrix shape costs the CPU
    kernels a new primitive.
    """
    ids, weight, pos, segments = [], [], [], []  # segments: (start, length, prefix start, prefix length)
    for prefix, branches, _ in rows:
        p0, p = len(ids), len(prefix)
        segments.append((p0, p, 0, 0))
        ids += prefix
        weight += [0.0] * p
        pos += range(p)
        for a, w in branches:
            segments.append((len(ids), len(a), p0, p))
            ids += a
            weight += w
            pos += range(p, p + len(a))
    segments.sort(key=lambda x: x[1])
    groups, where, base = [], [], 0
    for part in torch.tensor(segments).chunk(5):
        start, length, pre, pre_n = part.T.unsqueeze(-1)  # each [G, 1]
        s, p = ceil_to(int(length.max()), 8), ceil_to(int(pre_n.max()), 8)
        place, before = torch.arange(s)[None], torch.arange(p)[None]
        real = place < length
        q = torch.where(real, start + place, 0)
        kv = torch.cat((torch.where(before < pre_n, pre + before, 0), q), 1)
        causal = torch.ones(s, s, dtype=torch.bool).tril()
        mask = torch.cat(
            ((before < pre_n)[:, None].expand(-1, s, -1), causal.expand(len(part), -1, -1)), 2
        )
        groups.append((q, kv, torch.where(mask, 0.0, -1e4).unsqueeze(2)))
        where.append(torch.stack((q[real], base + torch.arange(real.numel()).view_as(real)[real])))
        base += real.numel()
    token, at = torch.cat(where, 1)
    extra = [0] * (ceil_to(len(ids), 256) - len(ids))
    back = torch.cat((at[token.argsort()], torch.tensor(extra, dtype=torch.long)))
    return (
        torch.tensor(ids + extra)[None],
        torch.tensor(weight + [0.0] * len(extra))[None],
        torch.tensor(pos + extra)[None],
        Packed(groups, back),
    )


def batch(r, tok, pictures, chats, n_image, branches, no_think, hard=1.0):
    """-> dict: flat tokens with their layout, pixels [P, 3, S, S], patch labels [P, g * g, L]."""
    rows = [make_row(r, tok, n_image, branches, no_think, hard) for _ in range(pictures)]
    rows += [make_row(r, tok, 0, branches, no_think) for _ in range(chats)]
    ids, weight, pos, layout = pack(rows)
    shown = [x for row in rows for x in row[2]]
    return dict(
        ids=ids,
        weight=weight,
        pos=pos,
        layout=layout,
        pixels=evaluate.to_pixels([x for x, _ in shown]),
        labels=torch.from_numpy(np.stack([render.patch_labels(x) for _, x in shown])).float(),
        questions=sum(len(x[1]) for x in rows),
    )


def produce(a, tok, vision, state, step, progress, queue):
    """Worker process: draws batches, runs the frozen ViT, and queues (batch, ViT output, random state)."""
    torch.set_num_threads(1)
    r = random.Random()
    r.setstate(state)
    while True:
        e = step / a.steps if a.steps else progress.value
        hard = min(1.0, e / a.easy) if a.easy else 1.0
        d = batch(r, tok, a.pictures, a.chats, vision.tokens, a.branches, a.no_think, hard)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bool(a.bf16)):
            v = vision(d.pop("pixels")).float()
        d["labels"] = token_labels(d["labels"], vision.grid)
        queue.put((d, v, r.getstate()))
        step += 1


def load_encoder(m, path):
    """Vision tensors from the encoder stage. A projector for a smaller hidden size fills the first rows."""
    sd = torch.load(path, weights_only=False)
    sd = sd.get("sd", sd)
    p = sd["vit_large_projector.weight"]
    h = m.c.hidden_size
    if len(p) < h:
        sd["vit_large_projector.weight"] = torch.cat((p, torch.randn(h - len(p), p.shape[1]) * p.std()))
    left = m.load_state_dict(sd, strict=False)
    assert not left.unexpected_keys and not [k for k in left.missing_keys if k.startswith("vi")], left


@torch.no_grad()
def load_text(m, tok, folder):
    """Text tensors of an earlier model folder with the same sizes, embeddings matched by token. Layers that
    it does not have start as the identity.
    """
    old = load_file(os.path.join(folder, "model.safetensors"))
    pieces = Tokenizer(os.path.join(folder, "tokenizer.model"))
    rows = torch.tensor([pieces.sp.piece_to_id(tok.sp.id_to_piece(i)) for i in range(tok.size)])
    known = rows > 0  # 0 is the unknown token
    for name, p in m.named_parameters():
        if name in ("model.embed_tokens.weight", "lm_head.weight"):
            p[known] = old[name].float()[rows[known]]
        elif name.startswith("model.") and name in old:
            p.copy_(old[name])
        elif name.startswith("model.") and name.endswith(("o_proj.weight", "down_proj.weight")):
            p.zero_()
    return int(known.sum())


@torch.no_grad()
def calibrate(m, r, position=0.5, n=100):
    """Scale the projected tokens to rms 1 and the part that only says where they are to `position` of
    the rest.

    The first POS channels of the patches are constant positions and the convolutions are linear, so
    scaling those input channels of the first convolution scales the position part alone.
    """
    v = m.vision_model(evaluate.to_pixels([render.picture(r)[0] for _ in range(n)]))
    t = m.project(v)
    content = (t - t.mean(0)).pow(2).mean().sqrt()
    z = v.clone()
    z[..., :POS] = 0
    place = t - m.project(z)
    place = (place - place.mean(1, keepdim=True)).pow(2).mean().sqrt()
    m.vit_downsampler.weight[:, :POS] *= (position * content / place).item()
    k = (1 / m.project(v).pow(2).mean().sqrt()).item() ** (1 / 3)
    m.vit_downsampler.weight *= k
    m.vit_downsampler.bias *= k
    m.vit_downsampler2.weight *= k
    m.vit_downsampler2.bias *= k * k
    m.vit_large_projector.weight *= k


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a = p.add_argument
    a("--out", required=True)
    a("--tok", required=True)
    a("--encoder", help="encoder checkpoint; needed unless --init is given")
    a("--text", help="model folder whose text tensors are the start")
    a("--init", help="continue from the weights of another joint run")
    a(
        "--minutes",
        type=float,
        default=60.0,
        help="wall clock of the whole schedule, evaluations included",
    )
    a("--steps", type=int, default=0, help="schedule by steps instead (reproducible)")
    a("--pictures", type=int, default=16)
    a("--chats", type=int, default=1)
    a("--branches", type=int, default=6, help="questions per picture")
    a(
        "--easy",
        type=float,
        default=0.15,
        help="first share of the run in which the number of things grows",
    )
    a("--no_think", type=float, default=0.25, help="share of questions answered without a trace")
    a("--lr", type=float, default=0.02)
    a("--adam", type=float, default=3e-3)
    a(
        "--vision_lr",
        type=float,
        default=0.1,
        help="learning rate of convolutions and projector, relative to --adam",
    )
    a("--aux", type=float, default=0.2)
    a("--config", default="{}", help="JSON with sizes that differ from model.Config")
    a("--seed", type=int, default=0)
    a("--every", type=float, default=5.0, help="minutes between evaluations and checkpoints")
    a("--dev", help="folder of a question set to report on")
    a("--bf16", type=int, default=1)
    a("--threads", type=int, default=1)
    return p.parse_args()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    r = random.Random(a.seed + 77)
    tok = Tokenizer(a.tok)
    c = Config(vocab_size=tok.size, **json.loads(a.config))
    m = Step3Mini(c)
    head = nn.Linear(c.hidden_size, N_LABELS)
    if a.init:
        ck = torch.load(a.init, weights_only=False)
        m.load_state_dict(ck["model"])
        head.load_state_dict(ck["head"])
    else:
        load_encoder(m, a.encoder)
        if a.text:
            print(f"{load_text(m, tok, a.text)} of {tok.size} tokens known")
        calibrate(m, r)
    for n, p in m.named_parameters():
        p.requires_grad_(not n.startswith("vision_model"))
    vision = [p for n, p in m.named_parameters() if n.startswith("vit_")]
    text = [(n, p) for n, p in m.named_parameters() if p.requires_grad and not n.startswith("vit_")]
    muon = [p for n, p in text if p.ndim >= 2 and "layers" in n and ".gate." not in n]
    ids = set(map(id, muon))
    adam = [p for _, p in text if id(p) not in ids] + list(head.parameters())
    opts = [
        Muon(muon, a.lr),
        torch.optim.AdamW(adam, lr=a.adam, betas=(0.9, 0.98), weight_decay=0.01),
        torch.optim.AdamW(vision, lr=a.adam * a.vision_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    base = [o.param_groups[0]["lr"] for o in opts]
    step, spent, last = 0, 0.0, os.path.join(a.out, "last.pt")
    if os.path.exists(last):
        ck = torch.load(last, weights_only=False)
        m.load_state_dict(ck["model"])
        head.load_state_dict(ck["head"])
        for o, s in zip(opts, ck["opts"]):
            o.load_state_dict(s)
        step, spent = ck["step"], ck["spent"]
        r.setstate(ck["random"])
    log = open(os.path.join(a.out, "log.jsonl"), "a")

    def say(**k):
        line = json.dumps(k, ensure_ascii=False)
        log.write(line + "\n")
        log.flush()
        print(line, flush=True)

    def save(path):
        ck = dict(
            model=m.state_dict(),
            head=head.state_dict(),
            config=asdict(c),
            step=step,
            spent=elapsed(),
            opts=[o.state_dict() for o in opts],
            random=state,
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

    mark, avg, pictures, asked = elapsed(), {}, 0, 0
    times = dict(wait=0.0, opt=0.0)
    m.vision_model.tokens, m.vision_model.grid = c.image_tokens, c.grid
    progress, queue = mp.Value("d", elapsed() / a.minutes), mp.Queue(3)
    state = r.getstate()
    worker = mp.Process(
        target=produce, args=(a, tok, m.vision_model, state, step, progress, queue), daemon=True
    )
    worker.start()
    say(
        parameters=sum(p.numel() for p in m.parameters()),
        text=sum(p.numel() for _, p in text),
        config=asdict(c),
        args=vars(a),
    )
    m.train()
    while (e := step / a.steps if a.steps else elapsed() / a.minutes) < 1:
        f = min(1, (step + 1) / 40) * max(0.005, 1 - e)
        for o, b in zip(opts, base):
            o.param_groups[0]["lr"] = b * f
        progress.value = e
        t = time.time()
        d, v, state = queue.get()
        times["wait"] += time.time() - t
        rows = m.project(v)
        aux = label_loss(head(rows), d["labels"])
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(a.bf16)):
            h = m.trunk(m.embed(d["ids"], rows, d["ids"].eq(tok.im_patch)), d["pos"], d["layout"])
            w = d["weight"][:, 1:]
            z = m.logits(h[:, :-1][w > 0])
        target = d["ids"][:, 1:][w > 0]
        loss = F.cross_entropy(z.float(), target)
        balance = sum(x.moe.balance for x in m.model.layers if x.sparse)
        (loss + a.aux * aux + 0.01 * balance).backward()
        torch.nn.utils.clip_grad_norm_(adam + vision, 1.0)
        t = time.time()
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        times["opt"] += time.time() - t
        step += 1
        pictures += a.pictures
        asked += d["questions"]
        with torch.no_grad():
            now = dict(
                loss=loss.item(), aux=float(aux), hit=(z.argmax(-1) == target).float().mean().item()
            )
        avg = {k: 0.97 * avg.get(k, x) + 0.03 * x for k, x in now.items()}
        if step % 50 == 0:
            n = time.time() - start
            say(
                step=step,
                min=round(elapsed(), 2),
                cpu=round(time.process_time() / 60, 2),
                pictures=pictures,
                questions=asked,
                tokens=d["ids"].shape[1],
                **{k: round(x, 3) for k, x in avg.items()},
                **{k: round(x / n, 2) for k, x in times.items()},
            )
        if elapsed() - mark > a.every:
            save(last)
            report(60)
            mark = elapsed()
    worker.kill()
    save(os.path.join(a.out, "final.pt"))
    report(200)


if __name__ == "__main__":
    main()
