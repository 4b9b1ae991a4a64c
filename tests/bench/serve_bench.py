#!/usr/bin/env python3
"""Measures `step3 serve` over HTTP. A benchmark, not a test: nothing here fails on speed.

Usage: serve_bench.py STEP3_BINARY [--model DIR] [--threads N] [--streams N] [--tokens N] [--rounds N] [--json FILE]

  streams   decode tokens/s of N streams at once against one (we want 4 times as many with 32)
  gaps      time between two tokens of a stream, while others run and a prompt of 2,000 tokens arrives (p99 at most 3 times p50)
  overhead  one stream against `step3 bench`: tokens/s (at most 3 % less) and time to the first token of 512 (at most 5 ms more); both
            alternate, medians of the rounds
  turns     time to the first token of a question about a picture, and of the next one in the same conversation

Speeds are of decoding alone: from the first to the last token. Clients are coroutines of this process, which takes CPU time from the server;
`client_cpu` says how much of one CPU. Needs the Python environment of the tests: packaging/python_env.sh tests/bench/serve_bench.py ...
"""
import argparse
import asyncio
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
from step3_server import Server, image_part, user  # noqa: E402

PROMPT = 512


async def stream(port, path, body):
    """Sends a request and reads its stream: (time to the first event with text, times of all such events, usage)."""
    data = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    sent = time.perf_counter()
    writer.write(head.encode() + data)
    times, last = [], b""
    # Lines are told apart by bytes, not parsed: the client is to cost little.
    while line := await reader.readline():
        if line.startswith(b"HTTP/1.1 ") and b" 200 " not in line:
            sys.exit(f"{path}: {line.decode().strip()}: {(await reader.read()).decode()[-400:]}")
        if line.startswith(b"data: {"):
            last = line
            if b'"finish_reason":null' in line and b'"role"' not in line:
                times.append(time.perf_counter())
    writer.close()
    return times[0] - sent, times, json.loads(last[6:])["usage"]


def decode_speed(runs):
    """Tokens/s of all runs together: what came after each first token, from the earliest first to the latest last."""
    tokens = sum(usage["completion_tokens"] - 1 for _, _, usage in runs)
    return tokens / (max(times[-1] for _, times, _ in runs) - min(times[0] for _, times, _ in runs))


def chat_body(tokens, number=0):
    # With the ids every token is an event, also where its bytes are only a part of a character.
    return {"messages": [user(f"What is {number}?")], "ignore_eos": True, "max_tokens": tokens, "temperature": 1, "seed": number, "return_token_ids": True}


async def many(server, count, tokens):
    return await asyncio.gather(*(stream(server.port, "/v1/chat/completions", chat_body(tokens, i)) for i in range(count)))


async def gaps(server, streams, tokens, prompt_ids):
    """Gaps of `streams` decoding streams: all of them, and those that overlap with the reading of a long prompt."""
    running = asyncio.gather(*(stream(server.port, "/v1/chat/completions", chat_body(tokens, i)) for i in range(streams)))
    window = None
    while server_tokens(server) < streams * tokens // 4:
        await asyncio.sleep(0.01)
    begin = time.perf_counter()
    first, _, _ = await stream(server.port, "/v1/completions", {"prompt": prompt_ids, "max_tokens": 2, "ignore_eos": True, "return_token_ids": True})
    window = (begin, begin + first)
    every, inside = [], []
    for _, times, _ in await running:
        for before, after in zip(times, times[1:]):
            every.append(after - before)
            if after > window[0] and before < window[1]:
                inside.append(after - before)
    return every, inside, first


def server_tokens(server):
    return server.stats()["tokens"]["generated"] - server.counted


def takes_pictures(server):
    return server.post("/v1/chat/completions", {"messages": [user([image_part((1, 2, 3))])], "max_tokens": 1}).status == 200


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def own_bench(binary, model, threads, *options):
    command = [binary, "bench", "--json", *(["--model", model] if model else []), *(["--threads", str(threads)] if threads else []), *options]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(args):
    options = [*(["--model", args.model] if args.model else []), *(["--threads", str(args.threads)] if args.threads else [])]
    server = Server(args.binary, *options, "--max-running", str(args.streams))
    try:
        context = server.get("/v1/models").json["data"][0]["max_model_len"]
        tokens = min(args.tokens, context // 2)
        vocabulary = server.post("/tokenize", {"prompt": "The quick brown fox jumps over the lazy dog.", "add_special_tokens": False}).json["tokens"]
        ids = lambda count: [random.choice(vocabulary) for _ in range(count)]  # noqa: E731
        asyncio.run(many(server, 2, 16))  # warm-up
        report = {"load_average": os.getloadavg()[0], "context": context}

        cpu = time.process_time()
        wall = time.perf_counter()
        ones, togethers = [], []
        for _ in range(args.rounds):
            ones.append(decode_speed(asyncio.run(many(server, 1, tokens))))
            togethers.append(decode_speed(asyncio.run(many(server, args.streams, tokens))))
        one, together = statistics.median(ones), statistics.median(togethers)
        report["streams"] = {"count": args.streams, "one_tokens_per_s": round(one), "together_tokens_per_s": round(together), "ratio": round(together / one, 2),
                             "client_cpu": round((time.process_time() - cpu) / (time.perf_counter() - wall), 2)}

        server.counted = server.stats()["tokens"]["generated"]
        long_prompt = min(2000, context - 8)
        others = max(1, args.streams - 1)
        every, inside, first = asyncio.run(gaps(server, others, min(1500, context // 4 * 3), ids(long_prompt)))
        report["gaps"] = {"prompt": long_prompt, "streams": others, "p50_ms": round(1e3 * quantile(every, 0.5), 3),
                          "p99_ms_meanwhile": round(1e3 * quantile(inside, 0.99), 3) if inside else None,
                          "p50_ms_meanwhile": round(1e3 * quantile(inside, 0.5), 3) if inside else None,
                          "prompt_first_token_ms": round(1e3 * first, 1), "gaps_meanwhile": len(inside)}

        served, alone, served_first, alone_first = [], [], [], []
        for _ in range(args.rounds):
            served.append(decode_speed(asyncio.run(many(server, 1, tokens))))
            alone.append(own_bench(args.binary, args.model, args.threads, "--pp", "0", "--tg", str(tokens))["tokens_per_s"])
            body = {"prompt": ids(min(PROMPT, context // 2)), "max_tokens": 2, "ignore_eos": True, "return_token_ids": True}
            served_first.append(asyncio.run(stream(server.port, "/v1/completions", body))[0])
            alone_first.append(own_bench(args.binary, args.model, args.threads, "--pp", str(len(body["prompt"])), "--tg", "0")["prompt_wall_s"])
        middle = statistics.median
        report["overhead"] = {"served_tokens_per_s": round(middle(served)), "bench_tokens_per_s": round(middle(alone)),
                              "slower_percent": round(100 * (1 - middle(served) / middle(alone)), 1), "served_first_token_ms": round(1e3 * middle(served_first), 2),
                              "bench_prompt_ms": round(1e3 * middle(alone_first), 2), "later_ms": round(1e3 * (middle(served_first) - middle(alone_first)), 2)}

        turns = []
        for number in range(args.rounds if takes_pictures(server) else 0):
            messages = [user([image_part((number * 9 % 256, 77, 30)), {"type": "text", "text": "What is it? " * 60}])]
            body = {"messages": messages, "max_tokens": 8, "ignore_eos": True, "return_token_ids": True}
            firsts = [asyncio.run(stream(server.port, "/v1/chat/completions", body))[0]]
            body["messages"] = [*messages, {"role": "assistant", "content": "A square."}, user("Of what colour?")]
            firsts.append(asyncio.run(stream(server.port, "/v1/chat/completions", body))[0])
            turns.append(firsts)
        if turns:
            report["turns"] = {"first_ms": round(1e3 * middle([turn[0] for turn in turns]), 1), "second_ms": round(1e3 * middle([turn[1] for turn in turns]), 1)}
        return report
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", dest="json_file")
    args = parser.parse_args()
    text = json.dumps(measure(args), indent=1)
    print(text)
    if args.json_file:
        pathlib.Path(args.json_file).write_text(text + "\n")


if __name__ == "__main__":
    main()
