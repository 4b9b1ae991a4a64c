#!/usr/bin/env python3
"""Runs llama.cpp, by the bindings of llama-cpp-python, on one GGUF file and prints what compare_llama_cpp.py asks for as JSON.

Usage: llama_cpp_worker.py quantize FROM.gguf TO.gguf q8_0|q4_0|q4_K
       llama_cpp_worker.py run FILE.gguf JOBS_JSON

JOBS_JSON: {"threads": T, "mmap": bool, "repack": bool, "flash_attention": bool, "jobs": [{"pp": N} | {"tg": N, "batch": B, "depth": D}]}.
The environment variable LLAMA_CPP_LIB_PATH names the folder of the libraries, so that several builds can be compared.
"""
import ctypes
import json
import os
import random
import resource
import sys
import time

import llama_cpp.llama_cpp as api

FILE_TYPES = {"q4_0": 2, "q8_0": 7, "q4_K": 14}  # llama_ftype; q4_K is the "small" mix: 4 bits but for the output matrix


def quiet(_level, _text, _data):
    """llama.cpp's log goes nowhere."""


QUIET = api.llama_log_callback(quiet)


class Batch:
    """A llama_batch of one token for each of several sequences, or of a run of tokens of the sequence 0."""

    def __init__(self, size):
        self.batch = api.llama_batch_init(size, 0, 1)

    def fill(self, tokens, positions, sequences, wanted):
        self.batch.n_tokens = len(tokens)
        for i, (token, position, sequence, logits) in enumerate(zip(tokens, positions, sequences, wanted)):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = logits

    def decode(self, context):
        if api.llama_decode(context, self.batch) != 0:
            raise RuntimeError("llama_decode failed")
        api.llama_synchronize(context)

    def free(self):
        api.llama_batch_free(self.batch)


def open_context(model, settings, context_length, sequences, batch):
    params = api.llama_context_default_params()
    params.n_ctx = context_length
    params.n_batch = params.n_ubatch = batch
    params.n_seq_max = sequences
    params.n_threads = params.n_threads_batch = settings["threads"]
    params.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_ENABLED if settings["flash_attention"] else api.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_perf = True
    params.kv_unified = False  # each sequence attends to its own keys
    context = api.llama_init_from_model(model, params)
    if not context:
        raise RuntimeError("llama.cpp made no context")
    return context


def timed(work):
    cpu, wall = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID), time.perf_counter()
    work()
    return time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) - cpu, time.perf_counter() - wall


def run_prefill(model, settings, vocabulary, count):
    """`count` tokens of one sequence at once, logits of the last."""
    context = open_context(model, settings, count, 1, count)
    batch = Batch(count)
    rng = random.Random(1)
    memory = api.llama_get_memory(context)
    try:
        for _ in range(2):  # the first run is the warm-up
            api.llama_memory_clear(memory, True)
            batch.fill([rng.randrange(vocabulary) for _ in range(count)], range(count), [0] * count, [0] * (count - 1) + [1])
            cpu, wall = timed(lambda: batch.decode(context))
    finally:
        batch.free()
        api.llama_free(context)
    return {"tokens": count, "cpu_s": cpu, "wall_s": wall}


def run_decode(model, settings, vocabulary, steps, size, depth):
    """`size` sequences of `depth` tokens each decode `steps` steps, all logits."""
    chunk = 512
    context = open_context(model, settings, size * (depth + steps + 2), size, max(size, min(chunk, depth or 1)))
    batch = Batch(max(size, chunk))
    rng = random.Random(2)

    def step(position):
        batch.fill([rng.randrange(vocabulary) for _ in range(size)], [position] * size, range(size), [1] * size)
        batch.decode(context)

    try:
        for sequence in range(size):
            for first in range(0, depth, chunk):
                part = range(first, min(depth, first + chunk))
                batch.fill([rng.randrange(vocabulary) for _ in part], part, [sequence] * len(part), [0] * len(part))
                batch.decode(context)
        step(depth)
        step(depth + 1)
        cpu, wall = timed(lambda: [step(depth + 2 + i) for i in range(steps - 2)])
    finally:
        batch.free()
        api.llama_free(context)
    return {"tokens": size * (steps - 2), "cpu_s": cpu, "wall_s": wall}


def run(path, settings):
    params = api.llama_model_default_params()
    params.load_mode = api.LLAMA_LOAD_MODE_MMAP if settings["mmap"] else api.LLAMA_LOAD_MODE_NONE
    params.use_extra_bufts = settings["repack"]
    holder = {}

    def load():
        holder["model"] = api.llama_model_load_from_file(path.encode(), params)

    cpu, wall = timed(load)
    model = holder["model"]
    if not model:
        raise RuntimeError(f"llama.cpp does not open {path}")
    vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))
    results = []
    for job in settings["jobs"]:
        if "pp" in job:
            results.append(run_prefill(model, settings, vocabulary, job["pp"]))
        else:
            results.append(run_decode(model, settings, vocabulary, job["tg"], job["batch"], job["depth"]))
    return {
        "load_cpu_s": cpu, "load_wall_s": wall, "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "results": results,
        "system": api.llama_print_system_info().decode(),
    }


def quantize(source, target, kind):
    params = api.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[kind]
    params.nthread = len(os.sched_getaffinity(0))
    if api.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
        raise RuntimeError(f"llama.cpp does not quantise {source} to {kind}")


def main():
    api.llama_log_set(QUIET, None)
    api.llama_backend_init()
    if sys.argv[1] == "quantize":
        quantize(*sys.argv[2:5])
    else:
        print(json.dumps(run(sys.argv[2], json.loads(sys.argv[3]))))


if __name__ == "__main__":
    main()
