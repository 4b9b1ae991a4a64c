"""Questions about pictures with text (words, numbers, windows) and about charts.

Text read from a picture stands in double quotes, which the tokenizer spells letter by letter.
"""

from names import join
from vocab import COLOUR_ZH

PHOTO = (
    "I can't tell: this looks like a photograph, and I only understand drawings.",
    "看不出来：这像是一张照片，我只能看懂画出来的图。",
)
ORDINALS = ["first", "second", "third", "fourth"]
CHARTS = dict(bar=("bar", "柱状图"), line=("line", "折线图"), pie=("pie", "饼图"), donut=("donut", "环形图"))


def quoted(s):
    return f'"{s}"'


def columns(n, k, sign):
    """A sum or difference digit by digit from the right, with what is carried or borrowed."""
    out, carry = [], 0
    while n or k:
        a, b = n % 10, k % 10
        total = a + b + carry if sign == "+" else a - b - carry
        borrow = sign == "-" and total < 0
        parts = [f"{a} {sign} {b}"] + ([f"{sign} 1"] if carry else []) + (["+ 10"] if borrow else [])
        out.append(f"{' '.join(parts)} = {total + 10 * borrow}")
        carry = int(total > 9 or borrow)
        n, k = n // 10, k // 10
    return ", ".join(out + (["1"] if carry else []))


class ReadingAsker:
    """Mixed into questions.Asker, which brings make(), unknown(), the scene and the random state."""

    def words(self):
        """One question about a picture of words (Chinese ones too) or a number."""
        r, info = self.r, self.scene.info
        lines, kind = [s for s, _ in info["lines"]], info["kind"]
        t = r.random()
        if t < 0.1:
            return self.unknown()
        if kind == "number":
            return self.number(lines[0], t)
        q = [quoted(s) for s in lines]
        if t < 0.2:
            some = "the word " + q[0] if len(q) == 1 else "the words " + join(q, 0)
            key = r.choice(("what", "describe"))
            return self.make("what", key, f"The picture shows {some}.", f"图中写着{join(q, 1)}。")
        if len(q) == 1:
            if t < 0.3:
                return self.colour_of_text(r.choice((("word", "单词"), ("text", "文字"))))
            if kind == "chinese":
                return self.make("ocr_zh", r.choice(("read_text", "read_chinese")), f"It says {q[0]}.", f"写的是{q[0]}。")
            return self.make("ocr_word", "read_text", f"It says {q[0]}.", f"写的是{q[0]}。")
        if t < 0.32:
            return self.make("ocr_text", "read_text", f"It says {join(q, 0)}.", f"写的是{join(q, 1)}。")
        i = r.randrange(len(q))
        return self.make(
            "ocr_line",
            "read_line",
            f"Line {i + 1} says {q[i]}.",
            f"第{i + 1}行是{q[i]}。",
            lambda zh: dict(o="一二三四"[i] if zh else ORDINALS[i], n=i + 1),
        )

    def colour_of_text(self, name):
        c = self.scene.info["lines"][0][1]
        return self.make(
            "color",
            "colour_of",
            f"The {name[0]} is {c}.",
            f"{name[1]}是{COLOUR_ZH[c]}的。",
            lambda zh: dict(s=name[zh]),
        )

    def number(self, s, t):
        r = self.r
        if t < 0.18:
            return self.make("what", r.choice(("what", "describe")), f"The picture shows the number {s}.", f"图中是数字{s}。")
        if t < 0.26:
            return self.colour_of_text(("number", "数字"))
        if len(s) <= 3 and t < 0.6:
            n, k = int(s), r.randint(1, 20 if r.random() < 0.3 else 9)
            if n > k and r.random() < 0.25:
                key, sign, zsign, total = "subtract", "-", "减", n - k
            else:
                key, sign, zsign, total = "add", "+", "加", n + k
            en, zh = f"{s} {sign} {k} = {total}.", f"{s}{zsign}{k}等于{total}。"
            qa = self.make("arithmetic", key, en, zh, lambda zh: dict(k=k))
            qa.steps = columns(n, k, sign)
            return qa
        return self.make("ocr_number", "read_number", f"The number is {s}.", f"数字是{s}。")

    def window(self):
        r, info = self.r, self.scene.info
        t = r.random()
        if t < 0.1:
            return self.unknown()
        title, message = quoted(info["title"]), quoted(info["message"])
        if t < 0.18:
            en, zh = f"The picture shows a window with the title {title}.", f"图中是一个标题为{title}的窗口。"
            return self.make("what", r.choice(("what", "describe")), en, zh)
        if t < 0.42:
            return self.make("ui", "ui_title", f"The title is {title}.", f"标题是{title}。")
        if t < 0.68:
            return self.make("ui", "ui_message", f"The message is {message}.", f"提示是{message}。")
        s, c = r.choice(info["buttons"])
        if sum(q == c for _, q in info["buttons"]) > 1:
            return self.make("ui", "ui_message", f"The message is {message}.", f"提示是{message}。")
        return self.make(
            "ui",
            "ui_button",
            f"The {c} button says {quoted(s)}.",
            f"{COLOUR_ZH[c]}按钮上写着{quoted(s)}。",
            lambda zh: dict(c=COLOUR_ZH[c] if zh else c),
        )

    def chart(self):
        r, s = self.r, self.scene
        en, zh = CHARTS[s.kind]
        t = r.random()
        if t < 0.22:
            return self.make("chart_type", "chart_type", f"It is a {en} chart.", f"这是{zh}。")
        if t < 0.28:
            key = r.choice(("what", "describe"))
            return self.make("chart_type", key, f"It is a {en} chart.", f"这是{zh}。")
        if t < 0.36:
            return self.unknown()
        if s.kind in ("bar", "line"):
            return self.series(t)
        big, small = s.info["largest"], s.info["smallest"]
        if t < 0.82:
            return self.make("pie", "largest", f"The largest part is {big}.", f"最大的部分是{COLOUR_ZH[big]}的。")
        if t < 0.92:
            return self.make("pie", "smallest", f"The smallest part is {small}.", f"最小的部分是{COLOUR_ZH[small]}的。")
        n = s.info["n"]
        return self.make("parts", "parts", f"There are {n} parts.", f"一共有{n}个部分。")

    def series(self, t):
        """t: 0.36 to 1."""
        r, s = self.r, self.scene
        i = s.info
        n, c = i["n"], i["colour"]
        if s.kind == "line" and t < 0.56:
            en, zh = dict(
                up=("It goes up.", "它在上升。"),
                down=("It goes down.", "它在下降。"),
                mixed=("It goes up and down.", "它有升有降。"),
            )[i["trend"]]
            return self.make("trend", "trend", en, zh)
        if s.kind == "bar" and t < 0.52:
            return self.make("count", "bars", f"There are {n} bars.", f"图中有{n}根柱子。")
        if c and t < 0.6:
            name = ("line", "线") if s.kind == "line" else ("bar", "柱子")
            en = f"The {name[0]} is {c}." if s.kind == "line" else f"The bars are {c}."
            return self.make("color", "colour_of", en, f"{name[1]}是{COLOUR_ZH[c]}的。", lambda zh: dict(s=name[zh]))
        end = r.choice(("highest", "highest", "lowest"))
        if end in i and t < 0.85:
            en, zh = f"{i[end]} is the {end}.", f"{i[end]}最{'高' if end == 'highest' else '低'}。"
            return self.make("chart_max", end, en, zh)
        k = r.randrange(n)
        a, v = i["labels"][k], i["values"][k]
        marks = ["yes" if q == k else None for q in range(n)]
        return self.make("chart_value", "chart_value", f"{a} has {v}.", f"{a}是{v}。", lambda zh: dict(a=a), marks=marks)

    def photo(self):
        r = self.r
        if r.random() < 0.3:
            return self.unknown()
        key = r.choice(("what", "what", "describe", "describe", "shape_one", "colour_one", "count", "category_which"))
        return self.make("photo", key, *PHOTO)
