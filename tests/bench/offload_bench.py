#!/usr/bin/env python3
"""Measures decoding with offloaded experts (`--load offload`) against mapped files (`--load mmap`) when memory is short. A benchmark, not a
test.

Usage: offload_bench.py STEP3_BINARY --model DIR [--memory MIB ...] [--tg N] [--repeat N] [--json FILE]

Both run in a memory control group of their own (needs root), from a cold file cache, alternating. For each limit: tokens/s over the whole run
with the cold start in it, and what the expert cache did. Without --memory the limits are a half and three quarters of the checkpoint's size.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

GROUPS = [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")]


class MemoryGroup:
    """A control group that holds its processes, and the file pages they read, to so many bytes."""

    def __init__(self, limit):
        found = "no control groups of memory"
        for root, name in GROUPS:
            if not os.path.exists(os.path.join(root, "cgroup.procs")):
                continue
            self.group = os.path.join(root, f"step3-bench-{os.getpid()}")
            try:
                os.mkdir(self.group)
                with open(os.path.join(self.group, name), "w") as file:
                    file.write(str(limit))
                return
            except OSError as error:
                found = error
        sys.exit(f"memory control group: expected to make one, found: {found}")

    def __enter__(self):
        return self

    def enter(self):
        with open(os.path.join(self.group, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))

    def __exit__(self, *_):
        os.rmdir(self.group)


def drop_from_cache(folder):
    for name in os.listdir(folder):
        if name.endswith(".safetensors"):
            file = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def run(binary, folder, limit, options):
    drop_from_cache(folder)
    with MemoryGroup(limit) as group:
        command = [binary, "bench", "--json", "--model", folder, "--kv-memory", "64M", *options]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=group.enter)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--model", required=True)
    parser.add_argument("--memory", type=int, nargs="+", help="limits in MiB")
    parser.add_argument("--tg", type=int, default=48, help="decode steps of a run")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", dest="json_file")
    args = parser.parse_args()

    facts = json.loads(subprocess.run([args.binary, "inspect", "--json", "--model", args.model], capture_output=True, text=True, check=True).stdout)
    total, needs = facts["bytes"]["total"], facts["needs"]
    other = needs["weights_in_memory"]["stored"] - needs["experts"] * needs["expert_bytes"]  # what every token reads
    limits = [m << 20 for m in args.memory] if args.memory else [total // 2, total * 3 // 4]
    decode = ["--pp", "0", "--tg", str(args.tg)]
    report = []
    for limit in limits:
        # An eighth stays free for the program and the pages on their way through the file cache.
        experts = (limit - limit // 8 - other - (64 << 20)) >> 20
        modes = {"mmap": ["--load", "mmap"], "offload": ["--load", "offload", "--expert-memory", f"{experts}M"]}
        runs = {mode: [] for mode in modes}
        for _ in range(args.repeat):
            for mode, options in modes.items():
                runs[mode].append(run(args.binary, args.model, limit, [*options, *decode]))
        speed = {mode: statistics.median(r["tokens_per_s"] for r in found) for mode, found in runs.items()}
        cache = runs["offload"][-1]["expert_cache"]
        picked = cache["hits"] + cache["misses"]
        print(f"{limit >> 20} MiB of {total >> 20} MiB of weights: mmap {speed['mmap']:.2f} tokens/s, offload {speed['offload']:.2f} tokens/s "
              f"({speed['offload'] / speed['mmap']:.2f} times); {cache['places']} of {needs['experts']} experts in memory, "
              f"{100 * cache['hits'] / picked:.0f} % of {picked} picks found there, {cache['read_bytes'] / 1e9:.2f} GB read, "
              f"{cache['wait_s']:.2f} s waited; load average {runs['offload'][-1].get('load_average', 0):.1f}")
        report.append({"limit": limit, "tokens_per_s": speed, "runs": runs})
    if args.json_file:
        with open(args.json_file, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
