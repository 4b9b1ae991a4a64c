"""Small talk without a picture: memorised answers with many wordings (chat.txt)."""

from phrases import expand, roughen, text_lines
from questions import QA


def load(name):
    """-> list of (English wordings, English answer, Chinese wordings, Chinese answer), list of weights."""
    intents, weights = [], []
    for line in text_lines(name):
        if line.startswith("== "):
            weights.append(float(line.split()[2]))
            intents.append([[], "", [], ""])
            continue
        kind, text = line.split(" ", 1)
        if kind in ("en", "zh"):
            intents[-1][0 if kind == "en" else 2].append(text)
        else:
            intents[-1][1 if kind == "EN" else 3] = text
    return [tuple(i) for i in intents], weights


INTENTS, WEIGHTS = load("chat.txt")
FIRST_WITH_PICTURE = (0, 1, 2, 3, 4)  # intents that also come up while a picture is attached

SYSTEM = [
    "You are a helpful assistant.",
    "You are a helpful assistant",
    "You are Step3, a helpful assistant.",
    "Be brief.",
    "You are a vision assistant.",
    "Answer the questions about the picture.",
    "You are a helpful AI assistant.",
    "Please answer briefly and truthfully.",
    "你是一个有用的助手。",
    "请简短回答。",
    "You are a friendly assistant that looks " "at pictures.",
    "Answer in the language of the question.",
    "You are Step3-mini.",
]


def question(r, intent, zh):
    e = INTENTS[intent]
    text = expand(r, r.choice(e[2] if zh else e[0]))
    if not zh and r.random() < 0.25:
        text = text.rstrip(".!?") + r.choice(("!", ".", "?", "", "!!"))
    return roughen(r, text, zh), e[3] if zh else e[1]


def chat(r, with_picture=False):
    """One small-talk exchange, sometimes after another one."""
    zh = r.random() < 0.35
    pick = (
        (lambda: r.choice(FIRST_WITH_PICTURE))
        if with_picture
        else (lambda: r.choices(range(len(INTENTS)), WEIGHTS)[0])
    )
    q, a = question(r, pick(), zh)
    qa = QA("chat", "zh" if zh else "en", q, a, think=False)
    if not with_picture and r.random() < 0.15:
        qa.history = [question(r, pick(), zh)]
    return qa
