#!/usr/bin/env python3
"""Measures what a busy neighbour on one CPU costs: decode tokens/s on all CPUs alone, and with a process that computes without pause pinned to
the first or the last of them.

Usage: neighbour_bench.py STEP3_BINARY --model DIR [--quant FORMAT] [--tokens N] [--rounds N]

The neighbour is entitled to half of its CPU: of n CPUs (n - 1/2) / n are left. No more than its CPU may be lost: (n - 1) / n.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def tokens_per_second(options):
    command = [options.step3, "bench", "--model", options.model, "--pp", "0", "--tg", str(options.tokens), "--batch", "1", "--json",
               "--threads", str(len(os.sched_getaffinity(0)))]
    if options.quant:
        command += ["--quant", options.quant]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)["tokens_per_s"]


def beside_neighbour(cpu, options):
    neighbour = subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"])
    try:
        return tokens_per_second(options)
    finally:
        neighbour.kill()
        neighbour.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step3", metavar="STEP3_BINARY")
    parser.add_argument("--model", required=True)
    parser.add_argument("--quant")
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    ratios = {cpus[0]: [], cpus[-1]: []}
    for _ in range(options.rounds):
        for cpu, found in ratios.items():
            alone = tokens_per_second(options)
            found.append(beside_neighbour(cpu, options) / alone)
    n = len(cpus)
    print(f"{n} CPUs; fair share {(n - 0.5) / n:.2f}, bound {(n - 1) / n:.2f}; tokens/s beside a neighbour over alone, median of {options.rounds}:")
    for cpu, found in ratios.items():
        print(f"neighbour on CPU {cpu}: {statistics.median(found):.2f} ({min(found):.2f} .. {max(found):.2f})")


if __name__ == "__main__":
    main()
