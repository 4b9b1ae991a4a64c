#!/usr/bin/env python3
"""Sends a server many short requests of all kinds and watches its memory: it has to stay flat.

Usage: soak.py STEP3_BINARY [--requests N] [--seconds S] [--clients N]

Ends after N requests or S seconds, whichever comes first. The kinds alternate: chat in one piece and streamed, pictures, completions, several
choices, tools, token counts, errors, clients that leave in the middle of an answer, keep-alive and new connections. Memory is read before,
after a warm-up of a tenth of the requests, and regularly from then on; growth is from the median of the first to the median of the last
quarter of the readings after the warm-up. Needs the Python environment of the tests: packaging/python_env.sh tests/bench/soak.py ...
"""
import argparse
import http.client
import json
import pathlib
import random
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
from step3_server import LOOK, Server, image_part, user, wait_until  # noqa: E402

READINGS = 40
PICTURES = 24


class Client:
    """One client with a connection of its own; `run` sends requests until `more()` is false."""

    def __init__(self, server, seed):
        self.server, self.random, self.connection = server, random.Random(seed), None
        self.sent, self.wrong = 0, []

    def post(self, path, body, expected, leave=False):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request("POST", path, data, {"Content-Type": "application/json"})
        if leave and self.random.random() < 0.5:
            return self.hang_up()
        response = self.connection.getresponse()
        if leave:
            response.read(1)
            return self.hang_up()
        text = response.read()
        if response.status != expected:
            self.wrong.append(f"{path}: {response.status}, expected {expected}: {text[:200]!r}")
        if self.random.random() < 0.1:
            self.hang_up()

    def hang_up(self):
        self.connection.close()
        self.connection = None

    def one(self):
        kind, number = self.random.randrange(12), self.random.randrange(1000)
        question = [user(f"What is {number}?")]
        short = {"max_tokens": 6, "temperature": 1}
        chat = "/v1/chat/completions"
        if kind == 0:
            self.post(chat, {"messages": question, **short}, 200)
        elif kind == 1:
            self.post(chat, {"messages": question, "stream": True, "stream_options": {"include_usage": True}, **short}, 200)
        elif kind == 2:
            picture = image_part((number % PICTURES * 10, 20, 90))  # few: the cache of encoded pictures is full after the warm-up
            self.post(chat, {"messages": [user([picture, {"type": "text", "text": "What is it?"}])], **short}, 200)
        elif kind == 3:
            self.post("/v1/completions", {"prompt": [f"A {number}", "B"], "logprobs": 2, "echo": True, **short}, 200)
        elif kind == 4:
            self.post(chat, {"messages": question, "n": 3, "logprobs": True, "top_logprobs": 5, **short}, 200)
        elif kind == 5:
            self.post(chat, {"messages": question, "tools": [LOOK], "tool_choice": "required", "reasoning_effort": "none", **short}, 200)
        elif kind == 6:
            self.post("/tokenize", {"prompt": "word " * (number % 50 + 1), "return_token_strs": True}, 200)
        elif kind == 7:
            self.post(chat, {"messages": question, "temperature": 9}, 400)
            self.post(chat, b'{"messages": [', 400)
        elif kind == 8:
            self.post(chat, {"messages": [user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])]}, 400)
        elif kind == 9:
            self.post(chat, {"messages": question, "stream": True, "ignore_eos": True, "max_tokens": 400}, 200, leave=True)
        elif kind == 10:
            self.post("/v1/responses", {"input": f"What is {number}?", "max_output_tokens": 6, "stream": number % 2 == 0}, 200)
        else:
            self.post(chat, {"messages": question, "response_format": {"type": "json_schema", "json_schema": {
                "name": "x", "schema": {"enum": [f"a{number}", "b"]}}}, "reasoning_effort": "none", "max_tokens": 20}, 200)

    def run(self, more):
        while more():
            self.one()
            self.sent += 1


def soak(binary, requests, seconds, clients, options=()):
    """A dictionary of what happened: requests, seconds, memory in MiB (start, warm, end, growth), what was answered wrongly."""
    # So little for the cache that it is full, prefixes of past prompts included, before the first reading.
    server = Server(binary, "--kv-memory", "0.01", *options)
    try:
        start = server.resident_bytes()
        crowd = [Client(server, seed) for seed in range(clients)]
        sent = lambda: sum(client.sent for client in crowd)  # noqa: E731
        begin = time.monotonic()
        more = lambda: sent() < requests and time.monotonic() - begin < seconds  # noqa: E731
        threads = [threading.Thread(target=client.run, args=(more,)) for client in crowd]
        for thread in threads:
            thread.start()
        done = lambda: max(sent() / requests, (time.monotonic() - begin) / seconds)  # noqa: E731
        readings = []
        while more():
            time.sleep(0.02)
            if done() >= 0.1 + 0.9 * len(readings) / READINGS:
                readings.append(server.resident_bytes())
        for thread in threads:
            thread.join()
        spent = time.monotonic() - begin
        idle = wait_until(lambda: server.stats()["requests"]["running"] == 0 and server.get("/load").json["server_load"] == 0)
        quarter = max(1, len(readings) // 4)
        first, last = statistics.median(readings[:quarter]), statistics.median(readings[-quarter:])
        mebibyte = 1 << 20
        return {"requests": sent(), "seconds": round(spent, 1), "requests_per_s": round(sent() / spent, 1), "start_mib": round(start / mebibyte, 1),
                "warm_mib": round(first / mebibyte, 1), "end_mib": round(last / mebibyte, 1), "growth_mib": round((last - first) / mebibyte, 2),
                "idle": bool(idle), "kv_blocks_used": server.stats()["kv"]["blocks_used"], "wrong": [text for client in crowd for text in client.wrong]}
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--clients", type=int, default=8)
    args = parser.parse_args()
    report = soak(args.binary, args.requests, args.seconds, args.clients)
    print(json.dumps(report, indent=1))
    sys.exit(1 if report["wrong"] or not report["idle"] else 0)


if __name__ == "__main__":
    main()
