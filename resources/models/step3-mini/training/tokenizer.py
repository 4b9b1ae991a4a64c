"""SentencePiece tokenizer of the model and the exact token layout of the chat template."""

import random
import re

import sentencepiece as spm

import chat
import questions
import render
from vocab import CATEGORY_ZH, CHINESE_WORDS, COLOUR_NAMES, COLOUR_ZH, PICT_EN, PICT_ZH, POSITIONS, SHAPE_ZH, SHAPES

BOS = "<｜begin▁of▁sentence｜>"
SPECIAL = [
    BOS,
    "<|BOT|>",
    "<|EOT|>",
    "<im_start>",
    "<im_end>",
    "<im_patch>",
    "<patch_start>",
    "<patch_end>",
    "<patch_newline>",
    "<think>",
    "</think>",
    "\n",
    "<｜tool_calls_begin｜>",
    "<｜tool_calls_end｜>",
    "<｜tool_call_begin｜>",
    "<｜tool_call_end｜>",
    "<｜tool_sep｜>",
]
_ZH_WORDS = sorted(
    set(COLOUR_ZH.values())
    | set(SHAPE_ZH.values())
    | set(PICT_ZH)
    | set(CATEGORY_ZH.values())
    | {p[1] for p in POSITIONS.values()},
    key=len,
    reverse=True,
)
_ZH_SPLIT = re.compile("(" + "|".join(_ZH_WORDS) + ")")
_QUOTED = re.compile('("[^"]*")')
_DELIMITER = "\u241f"  # names of things are never merged with their neighbours (Chinese has no spaces)


def corpus(n, seed=7):
    """Questions, answers and traces of n scenes, as lines."""
    r, lines = random.Random(seed), []
    for i in range(n):
        _, scene = render.picture(r)
        qas = questions.ask(r, scene, 4) + ([chat.chat(r)] if i % 3 == 0 else [])
        lines.append(questions.trace(scene))
        for q in qas:
            lines += [questions.trace(scene, q)] if q.marks or q.steps else []
            lines += [" " + q.question + " ", q.answer]
            lines += [t for pair in q.history for t in (" " + pair[0], " " + pair[1])]
    names = [
        " ".join(["", w, w, questions.plural(w)]) for w in PICT_EN + SHAPES + COLOUR_NAMES
    ] + PICT_ZH
    spelled = [c for w in CHINESE_WORDS for c in w]  # text of pictures is spelled letter by letter
    return lines + spelled * 5 + names * 15 + [" " + s + " " for s in chat.SYSTEM] * 5


def build(path, vocab_size=2560, n=6000):
    """Train the tokenizer and write path + '.model'."""
    lines = []
    for s in corpus(n):
        s = (
            _ZH_SPLIT.sub(_DELIMITER + r"\1" + _DELIMITER, s)
            .replace(_DELIMITER * 2, _DELIMITER)
            .strip(_DELIMITER)
        )
        lines.append(s)
    lines += ["user", "assistant", "tool_response"] * 30 + [" ".join(chr(c) for c in range(33, 127))] * 3
    with open(path + ".txt", "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
    spm.SentencePieceTrainer.train(
        input=path + ".txt",
        model_prefix=path,
        vocab_size=vocab_size,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        split_digits=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=SPECIAL,
        pretokenization_delimiter=_DELIMITER,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
    )


class Tokenizer:
    def __init__(self, path):
        self.sp = spm.SentencePieceProcessor(model_file=path)
        p = self.sp.piece_to_id
        self.bos, self.bot, self.eot, self.im_start, self.im_end, self.im_patch = map(p, SPECIAL[:6])
        self.think, self.end_think, self.newline = p("<think>"), p("</think>"), p("\n")
        self.size = self.sp.get_piece_size()
        self.cache = {}

    def encode(self, text):
        ids = self.cache.get(text)
        if ids is None:
            ids = self.sp.encode(text)
            if len(self.cache) > 200000:
                self.cache.clear()
            self.cache[text] = ids
        return ids

    def spell(self, text):
        """As encode, for what the model says: text in double quotes is spelled letter by letter."""
        out = []
        for part in _QUOTED.split(text):
            out += [i for c in part for i in self.encode(c)] if part[:1] == '"' else self.encode(part)
        return out

    def decode(self, ids):
        return self.sp.decode([int(i) for i in ids])

    def image(self, n):
        """Expansion of one <im_patch> of the prompt."""
        return [self.im_start] + [self.im_patch] * n + [self.im_end]

    def prefix(self, system, n_image, pictures=1):
        """Everything up to the first user text. A system message stands between single spaces."""
        ids = [self.bos] + (self.encode(f" {system} ") if system else [])
        ids += [self.bot] + self.encode("user") + [self.newline]
        return ids + (self.encode(" ") + self.image(n_image) * pictures if n_image else [])

    def turns(self, qa, image):
        """Token ids from the first user text to the end of the generation prompt. image: it stands before
        the text.
        """
        user = [self.bot] + self.encode("user") + [self.newline]
        assistant = [self.bot] + self.encode("assistant") + [self.newline]
        ids, lead = [], "" if image else " "
        for q, a in qa.history:
            ids += (
                self.encode(f"{lead}{q} ")
                + [self.eot]
                + assistant
                + self.encode(f" {a} ")
                + [self.eot]
                + user
            )
            lead = " "
        return (
            ids
            + self.encode(f"{lead}{qa.question} ")
            + [self.eot]
            + assistant
            + [self.think, self.newline]
        )


if __name__ == "__main__":
    import sys

    build(sys.argv[1])
