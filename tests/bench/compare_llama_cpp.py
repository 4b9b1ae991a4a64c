#!/usr/bin/env python3
"""Compares `step3 bench` with llama.cpp on equal shapes and prints the ratios beside the ones we want.

Usage: compare_llama_cpp.py STEP3_BINARY [--isa avx2|native] [--preset S|M] [--rounds N] [--only TEXT ...] [--json FILE] [--work FOLDER]

Everything that is needed is made under --work (default .build/bench) on the first run: a virtual environment, llama.cpp from the source
package of PyPI's llama-cpp-python, built once for this machine (`native`) and once for AVX2 only, and model files of random weights
(bench_checkpoint.py). That takes a while and some gigabytes; later runs use what is there.

Speed is tokens per CPU second of the process, one thread, load and warm-up left out. Ours and llama.cpp alternate, in the order A B B A;
medians and spreads ((largest - smallest) / median) are printed. llama.cpp runs with the settings that suit each measurement best: file
mapped or read, weights repacked or not, fused attention or not, all tried in the first round. Its threads wait passively, which is kinder to
it on a busy machine than spinning.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "llama-cpp-python==0.3.36"
CMAKE = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_TOOLS=OFF",
         "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_SERVER=OFF", "-DLLAMA_BUILD_COMMON=OFF", "-DLLAMA_CURL=OFF"]
ISA_OPTIONS = {
    "native": ["-DGGML_NATIVE=ON"],
    "avx2": ["-DGGML_NATIVE=OFF", "-DGGML_AVX512=OFF", *(f"-DGGML_{name}=ON" for name in ("SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2"))],
}
# Settings of llama.cpp worth trying.
VARIANTS = {
    "mmap": {"mmap": True, "repack": True, "flash_attention": True},
    "read": {"mmap": False, "repack": True, "flash_attention": True},
    "mmap, no repacking": {"mmap": True, "repack": False, "flash_attention": True},
    "mmap, no fused attention": {"mmap": True, "repack": True, "flash_attention": False},
}


class Row:
    """One line of the table: a measurement of ours, its counterparts of llama.cpp, and what their ratio must and should be."""

    def __init__(self, name, quant, peers, job, must, aim):
        self.name, self.quant, self.peers, self.job, self.must, self.aim = name, quant, peers, job, must, aim
        self.ours, self.theirs, self.best = [], [], None


def rows():
    def decode(batch=1, depth=0, steps=34):
        return {"tg": steps, "batch": batch, "depth": depth}

    q4 = ["q4_0", "q4_K"]
    table = [
        Row("decode BF16", "bf16", ["bf16"], decode(), 1.5, 1.8),
        Row("decode FP8 : q8_0", "fp8", ["q8_0"], decode(), 1.4, 1.8),
        Row("decode int8 : q8_0", "int8", ["q8_0"], decode(), 1.4, 1.8),
        Row("decode int4 : q4", "int4", q4, decode(), 1.1, 1.6),
        Row("prefill 512 BF16", "bf16", ["bf16"], {"pp": 512}, 2.0, 2.4),
        Row("prefill 512 FP8 : q8_0", "fp8", ["q8_0"], {"pp": 512}, 1.5, 1.7),
        Row("prefill 512 int8 : q8_0", "int8", ["q8_0"], {"pp": 512}, 1.5, 2.5),
        Row("prefill 512 int4 : q4", "int4", q4, {"pp": 512}, None, None),
    ]
    for batch in (8, 16, 32):
        table.append(Row(f"batch {batch} BF16", "bf16", ["bf16"], decode(batch, steps=10), 2.0, 2.6))
    for depth in (512, 4096):
        table.append(Row(f"decode at {depth} BF16", "bf16", ["bf16"], decode(depth=depth, steps=18), None, None))
    return table


def run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


class Bench:
    def __init__(self, binary, work, isa, preset):
        self.binary, self.work, self.isa, self.preset = pathlib.Path(binary).resolve(), work, isa, preset
        self.python = work / "venv/bin/python"
        self.source = work / PACKAGE.replace("-", "_").replace("==", "-")
        self.libraries = work / "lib" / isa
        self.peer_system = ""
        self.our_isa = ""

    def prepare(self):
        self.work.mkdir(parents=True, exist_ok=True)
        if not self.python.exists():
            print("making a virtual environment ...", file=sys.stderr)
            run([sys.executable, "-m", "venv", self.work / "venv"])
            run([self.python, "-m", "pip", "-q", "install", "numpy", "gguf", "typing-extensions", "diskcache", "jinja2"])
        if not self.source.exists():
            run([self.python, "-m", "pip", "-q", "download", "--no-deps", "--no-binary", ":all:", "-d", self.work, PACKAGE])
            run(["tar", "-xf", next(self.work.glob("llama_cpp_python-*.tar.gz")), "-C", self.work])
        if not (self.libraries / "libllama.so").exists():
            print(f"building llama.cpp for {self.isa} ...", file=sys.stderr)
            build = self.work / "build" / self.isa
            run(["cmake", "-S", self.source / "vendor/llama.cpp", "-B", build, *CMAKE, *ISA_OPTIONS[self.isa]])
            run(["cmake", "--build", build, "--target", "llama", "-j", str(os.cpu_count())])
            self.libraries.mkdir(parents=True, exist_ok=True)
            run(["cp", "-a", *sorted((build / "bin").glob("lib*.so*")), self.libraries])
        if not self.checkpoint().joinpath("model.safetensors").exists():
            run([self.python, HERE / "bench_checkpoint.py", "--preset", self.preset, "--out", self.checkpoint()])
        if not self.gguf("bf16").exists():
            run([self.python, HERE / "bench_checkpoint.py", "--preset", self.preset, "--gguf", "--out", self.gguf("bf16")])
        for kind in ("q8_0", "q4_0", "q4_K"):
            if not self.gguf(kind).exists():
                part = self.gguf(kind).with_suffix(".part")
                self.worker("quantize", self.gguf("bf16"), part, kind)
                part.rename(self.gguf(kind))

    def checkpoint(self):
        return self.work / "models" / f"{self.preset}-bf16"

    def gguf(self, kind):
        return self.work / "models" / f"{self.preset}-{kind}.gguf"

    def worker(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(self.source), "LLAMA_CPP_LIB_PATH": str(self.libraries),
                       "LD_LIBRARY_PATH": str(self.libraries), "OMP_WAIT_POLICY": "passive"}
        return run([self.python, HERE / "llama_cpp_worker.py", *arguments], env=environment)

    def peer(self, kind, job, variant, threads=1):
        settings = {**VARIANTS[variant], "threads": threads, "jobs": [job] if job else []}
        report = json.loads(self.worker("run", self.gguf(kind), json.dumps(settings)))
        self.peer_system = report["system"]
        return report

    def ours(self, quant, job, threads=1, options=()):
        environment = dict(os.environ)
        if self.isa == "avx2":
            environment["STEP3_ISA"] = "avx2"
        command = [self.binary, "bench", "--json", "--model", self.checkpoint(), "--quant", quant, "--threads", threads, *options]
        if "pp" in job:
            command += ["--pp", job["pp"], "--tg", 0]
        else:
            command += ["--pp", 0, "--tg", job.get("tg", 0), "--batch", job.get("batch", 1), "--depth", job.get("depth", 0)]
        report = json.loads(run(command, env=environment))
        self.our_isa = report["isa"]
        return report


def per_cpu_second(report):
    result = report["results"][0]
    return result["tokens"] / result["cpu_s"]


def middle(values):
    """Median and (largest - smallest) / median."""
    median = statistics.median(values)
    return median, (max(values) - min(values)) / median


def measure(bench, row, round_number):
    def one_of_ours():
        row.ours.append(bench.ours(row.quant, row.job)["tokens_per_s_cpu"])

    def one_of_theirs():
        if row.best is None:
            tried = {(kind, variant): per_cpu_second(bench.peer(kind, row.job, variant)) for kind in row.peers for variant in VARIANTS}
            row.best = max(tried, key=tried.get)
            row.theirs.append(tried[row.best])
        else:
            row.theirs.append(per_cpu_second(bench.peer(row.best[0], row.job, row.best[1])))

    for step in (one_of_ours, one_of_theirs) if round_number % 2 == 0 else (one_of_theirs, one_of_ours):
        step()


def mark(ratio, must, aim, less=False):
    if must is None:
        return ""
    good = (lambda limit: ratio <= limit) if less else (lambda limit: ratio >= limit)
    return "aim met" if good(aim) else "must met" if good(must) else "SHORT"


def print_line(name, ours, theirs, ratio, must, aim, less=False, note=""):
    wanted = ("" if must is None else f"{must:g}", "" if aim is None else f"{aim:g}")
    print(f"{name:26}{ours:>16}{theirs:>16}{ratio:8.2f}{wanted[0]:>7}{wanted[1]:>6}  {mark(ratio, must, aim, less):9} {note}")


def added_time(table, depth):
    """Milliseconds per token more than with an empty context, ours and theirs."""
    def of(name, side):
        return 1e3 / statistics.median(getattr(next(row for row in table if row.name == name), side))

    return [of(f"decode at {depth} BF16", side) - of("decode BF16", side) for side in ("ours", "theirs")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--isa", choices=ISA_OPTIONS, default="avx2")
    parser.add_argument("--preset", choices=["S", "M"], default="S")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="measure only the lines that contain one of these texts")
    parser.add_argument("--json", dest="json_file")
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parents[1] / ".build/bench")
    args = parser.parse_args()
    bench = Bench(args.binary, args.work.resolve(), args.isa, args.preset)
    bench.prepare()
    table = [row for row in rows() if not args.only or any(text in row.name for text in args.only)]
    load_before = os.getloadavg()[0]
    for round_number in range(args.rounds):
        for row in table:
            measure(bench, row, round_number)
            print(f"round {round_number + 1}/{args.rounds}: {row.name}: {row.ours[-1]:.1f} : {row.theirs[-1]:.1f}", file=sys.stderr)
    loads, wall = [], {1: [], 2: []}
    if not args.only:
        for _ in range(args.rounds):
            loads.append((bench.ours("bf16", {})["load_s"], bench.peer("bf16", None, "mmap")["load_wall_s"]))
            for threads in wall:
                wall[threads].append(bench.ours("bf16", {"tg": 34}, threads)["tokens_per_s"])

    print(f"preset {args.preset}; ours {bench.our_isa}, llama.cpp {bench.peer_system.strip(' |')}; load average {load_before:.1f} to {os.getloadavg()[0]:.1f}; "
          f"1 thread, tokens per CPU second, median of {args.rounds} (spread)")
    print(f"{'':26}{'ours':>16}{'llama.cpp':>16}{'ratio':>8}{'must':>7}{'aim':>6}")
    for row in table:
        (ours, our_spread), (theirs, their_spread) = middle(row.ours), middle(row.theirs)
        print_line(row.name, f"{ours:.1f} ({our_spread:.0%})", f"{theirs:.1f} ({their_spread:.0%})", ours / theirs, row.must, row.aim, note=f"{row.best[0]}, {row.best[1]}")
    names = {row.name for row in table}
    for depth in (512, 4096):
        if {f"decode at {depth} BF16", "decode BF16"} <= names:
            ours, theirs = added_time(table, depth)
            print_line(f"added at {depth}, ms/token", f"{ours:.2f}", f"{theirs:.2f}", ours / theirs, 0.5, 0.25, less=True)
    if loads:
        ours, theirs = (statistics.median(side) for side in zip(*loads))
        print_line("load BF16, s (wall)", f"{ours:.2f}", f"{theirs:.2f}", ours / theirs, None, None, note="ours reads and repacks, theirs maps")
        one, two = statistics.median(wall[1]), statistics.median(wall[2])
        print_line("2 threads : 1, wall", f"{two:.1f}", f"{one:.1f}", two / one, 1.8, 1.95, note="both ours; needs an idle machine")
    if args.json_file:
        report = {"isa": bench.our_isa, "peer": bench.peer_system, "preset": args.preset, "load_average": [load_before, os.getloadavg()[0]],
                  "rows": [{"name": row.name, "ours": row.ours, "theirs": row.theirs, "peer_settings": row.best} for row in table], "load_s": loads, "wall": wall}
        with open(args.json_file, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
