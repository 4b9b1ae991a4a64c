"""Check that the chat template rendered by Jinja and encoded in one call gives the ids that training uses.

python check_template.py MODEL_DIR
"""

import json
import os
import random
import sys

import jinja2

import chat
import questions
import render
from questions import QA
from model import Config
from tokenizer import Tokenizer

TOKENS = Config().image_tokens


def renderer(folder):
    """-> function(messages) that renders a prompt with the template of a model folder."""
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as f:
        j = json.load(f)
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda x, ensure_ascii=True: json.dumps(x, ensure_ascii=ensure_ascii)
    template = env.from_string(j["chat_template"])
    return lambda messages: template.render(
        messages=messages, bos_token=j["bos_token"], add_generation_prompt=True
    )


def messages(qa, image, system=None):
    """Chat messages of a question; the picture stands in the first user turn."""
    out = [dict(role="system", content=system)] if system else []
    for q, a in qa.history:
        out += [dict(role="user", content=q), dict(role="assistant", content=a)]
    out.append(dict(role="user", content=qa.question))
    if image:
        first = next(m for m in out if m["role"] == "user")
        first["content"] = [dict(type="image"), dict(type="text", text=first["content"])]
    return out


def expand(tok, ids, n):
    """Replace each image placeholder by its full sequence."""
    return [j for i in ids for j in (tok.image(n) if i == tok.im_patch else [i])]


def main():
    folder = sys.argv[1]
    tok, render_prompt = Tokenizer(os.path.join(folder, "tokenizer.model")), renderer(folder)
    r, n = random.Random(1), 0
    while n < 2000:
        _, scene = render.picture(r)
        for qa in questions.ask(r, scene, 3) + [chat.chat(r)]:
            image = qa.type != "chat" or r.random() < 0.2
            system = r.choice(chat.SYSTEM) if r.random() < 0.3 else None
            text = render_prompt(messages(qa, image, system))
            got = expand(tok, tok.sp.encode(text), TOKENS)
            want = tok.prefix(system, TOKENS if image else 0) + tok.turns(qa, image)
            assert got == want, (text, tok.decode(got), tok.decode(want))
            n += 1
    two = QA("x", "en", "And now?", "", history=[("Hello", "Hi!"), ("Who?", "Me.")])
    assert expand(tok, tok.sp.encode(render_prompt(messages(two, True))), TOKENS) == tok.prefix(
        None, TOKENS
    ) + tok.turns(two, True)
    print(n, "prompts agree")


if __name__ == "__main__":
    main()
