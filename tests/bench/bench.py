#!/usr/bin/env python3
"""Measures one checkpoint with `step3 bench`, idle and beside a busy process. A benchmark, not a test: nothing here fails on speed.

Usage: bench.py STEP3_BINARY [--model DIR] [--threads N] [--repeat N] [--json FILE]

Idle and busy runs alternate, so that a machine that slows down meanwhile slows both. The busy process is one endless loop pinned to one of
the CPUs this process may use; a fair scheduler then leaves the engine (CPUs - 1/2) / CPUs of the machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def bench(binary, model, options):
    """One run of `step3 bench --json`, as a dictionary."""
    command = [binary, "bench", "--json", *options]
    if model:
        command += ["--model", model]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


class BusyNeighbour:
    """An endless loop on the last usable CPU, ended on leaving the block."""

    def __enter__(self):
        cpu = max(os.sched_getaffinity(0))
        loop = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
        self.process = subprocess.Popen([sys.executable, "-c", loop])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def median_and_spread(values):
    """Median and (max - min) / median."""
    middle = statistics.median(values)
    return middle, (max(values) - min(values)) / middle if middle else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--model", help="checkpoint folder; without it the shipped model")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--tg", type=int, default=128, help="decode steps of a run; long enough for several of the scheduler's slices")
    parser.add_argument("--json", dest="json_file")
    args = parser.parse_args()
    threads = ["--threads", str(args.threads)] if args.threads else []
    decode = ["--pp", "0", "--tg", str(args.tg), *threads]

    whole = bench(args.binary, args.model, threads)
    idle, busy = [], []
    for _ in range(args.repeat):
        idle.append(bench(args.binary, args.model, decode)["tokens_per_s"])
        with BusyNeighbour():
            busy.append(bench(args.binary, args.model, decode)["tokens_per_s"])
    cpus = len(os.sched_getaffinity(0))
    idle_median, idle_spread = median_and_spread(idle)
    busy_median, busy_spread = median_and_spread(busy)
    report = {
        "bench": whole,
        "load_average": os.getloadavg()[0],
        "cpus": cpus,
        "decode_idle": {"median": idle_median, "spread": idle_spread, "runs": idle},
        "decode_busy": {"median": busy_median, "spread": busy_spread, "runs": busy},
        "busy_over_idle": busy_median / idle_median,
        "fair_share": (cpus - 0.5) / cpus,
    }
    print(json.dumps(report, indent=1))
    if args.json_file:
        with open(args.json_file, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
