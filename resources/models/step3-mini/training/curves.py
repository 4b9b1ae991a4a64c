"""Training curves as CSV and SVG from the logs of the encoder and the joint stage.

python curves.py RUN_DIR OUT_DIR    (reads RUN_DIR/enc/log.jsonl and RUN_DIR/joint/log.jsonl)
"""

import csv
import json
import os
import sys

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 300, 46, 30, 34
INK = ["#1f5fbf", "#c2410c", "#15803d", "#7e22ce", "#0e7490", "#a16207"]


def rows(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def encoder_points(path):
    """-> list of dicts: minutes, loss and accuracy of the projected tokens on fresh boards."""
    out = []
    for r in rows(path):
        point = dict(min=r["min"], pictures=r["pictures"], loss=r["loss"])
        for k in ("shape", "colour", "pict", "char"):
            point[k] = r["fresh"][f"token {k}"]
        out.append(point)
    return out


def joint_points(path):
    """-> (loss points, accuracy points) of the joint stage."""
    loss, accuracy = [], []
    for r in rows(path):
        if "loss" in r:
            loss.append(dict(min=r["min"], step=r["step"], loss=r["loss"], hit=r["hit"]))
        elif "fresh" in r:
            point = dict(min=r["min"], step=r["step"], fresh=r["fresh"]["all"][0])
            if "dev" in r:
                point["dev"] = r["dev"]["all"][0]
            accuracy.append(point)
    return loss, accuracy


def write_csv(path, points):
    with open(path, "w", encoding="utf-8", newline="") as f:
        w = csv.DictWriter(f, list(points[0]))
        w.writeheader()
        w.writerows(points)


def chart(title, points, keys, top):
    """One panel: lines of `keys` over minutes, y from 0 to top -> SVG elements."""
    span = max(p["min"] for p in points) or 1
    w, h = WIDTH - LEFT - 110, HEIGHT - TOP - BOTTOM
    out = [f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>']
    for i in range(6):
        y = TOP + h - h * i / 5
        out.append(f'<line x1="{LEFT}" x2="{LEFT + w}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * i / 5:.2g}</text>')
    for i in range(5):
        x = LEFT + w * i / 4
        out.append(f'<text x="{x:.1f}" y="{TOP + h + 18}" text-anchor="middle">{span * i / 4:.3g} min</text>')
    for k, ink in zip(keys, INK):
        xy = [(LEFT + w * p["min"] / span, TOP + h - h * min(1, p[k] / top)) for p in points if k in p]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in xy)
        out.append(f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="2"/>')
        if len(xy) < 9:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{ink}"/>' for x, y in xy]
        out.append(f'<text x="{xy[-1][0] + 6:.1f}" y="{xy[-1][1] + 4:.1f}" fill="{ink}">{k}</text>')
    return out


def main():
    run, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    enc = encoder_points(os.path.join(run, "enc", "log.jsonl"))
    loss, accuracy = joint_points(os.path.join(run, "joint", "log.jsonl"))
    for name, points in (("encoder", enc), ("joint_loss", loss), ("joint_accuracy", accuracy)):
        write_csv(os.path.join(out, name + ".csv"), points)
    panels = [
        chart("Encoder: accuracy on the image tokens of fresh boards", enc, ("shape", "colour", "pict", "char"), 1),
        chart("Joint stage: loss per answer token (nats)", loss, ("loss",), 2.5),
        chart("Joint stage: accuracy on questions", accuracy, [k for k in ("fresh", "dev") if k in accuracy[-1]], 1),
    ]
    body = "".join(
        f'<g transform="translate(0,{i * HEIGHT})">{"".join(p)}</g>' for i, p in enumerate(panels)
    )
    with open(os.path.join(out, "curves.svg"), "w", encoding="utf-8") as f:
        f.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT * len(panels)}" '
            f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{body}</svg>\n'
        )


if __name__ == "__main__":
    main()
