"""A running `step3 serve` on a free port of this machine, and what the tests send it."""
import base64
import http.client
import json
import os
import re
import struct
import subprocess
import tempfile
import time
import zlib

import openai

READY = re.compile(r"Serving (\S+) on (http://127\.0\.0\.1:(\d+))/v1")


class Answer:
    """One HTTP response, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Server:
    """Starts `binary serve --port 0 OPTIONS` and waits for the line that names its address; ends it on close()."""

    def __init__(self, binary, *options, environment=None):
        self.log = tempfile.TemporaryFile("w+")
        clean = {name: value for name, value in os.environ.items() if name != "STEP3_API_KEY"}
        self.process = subprocess.Popen([binary, "serve", "--port", "0", *options], stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, env={**clean, **(environment or {})})
        line = self.process.stdout.readline()
        ready = READY.match(line)
        if not ready:
            self.close()
            raise RuntimeError(f"step3 serve did not start: {line!r} {self.log_text()!r}")
        self.model, self.url, self.port = ready[1], ready[2], int(ready[3])

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def client(self, key="none"):
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, max_retries=0, timeout=120)

    def request(self, method, path, body=None, headers=None):
        """Sends `body` (bytes, or anything JSON can say) and reads the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            sent = dict(headers or {})
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            if body is not None:
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, **headers):
        return self.request("POST", path, body, headers)

    def chat(self, **fields):
        """POST /v1/chat/completions with a short question unless `fields` have messages."""
        return self.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "What is it?"}], **fields})

    def metric(self, series):
        """Value of one series of /metrics, with its labels as they stand there; None if there is none."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def stats(self):
        return self.get("/v1/step3/stats").json

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait_until(condition, seconds=60):
    """Polls until `condition()` is true; its last value. The time is a bound for a hung server, not a measure."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)


def parse_metrics(text):
    """{family: (type, [(series, labels, value)])}; also checks the order that text format 0.0.4 asks for."""
    families, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in families, f"{current} twice"
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name == current
            families[name] = (kind, [])
        else:
            series, labels, value = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)', line).groups()
            assert series == current or series[len(current):] in ("_bucket", "_sum", "_count")
            families[current][1].append((series, dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")), float(value)))
    return families


def sse_events(body):
    """(event name or None, data) of each event of a stream; comments are skipped."""
    events = []
    for block in body.decode().split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
        if data:
            events.append((name, "\n".join(data)))
    return events


def png(width=32, height=24, colour=(200, 30, 30)):
    """A picture of one colour as a PNG file."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# png() of the same size and colour as a lossless WebP file.
WEBP = base64.b64decode("UklGRh4AAABXRUJQVlA4TBEAAAAvH8AFAAdQjyLXo/+BiOh/AAA=")


def data_uri(picture, label="data:image/png"):
    return f"{label};base64,{base64.b64encode(picture).decode()}"


def image_part(colour=(200, 30, 30)):
    return {"type": "image_url", "image_url": {"url": data_uri(png(colour=colour)), "detail": "low"}}


def user(content):
    return {"role": "user", "content": content}


LOOK = {"type": "function", "function": {"name": "look", "description": "Looks somewhere.", "parameters": {
    "type": "object", "properties": {"at": {"type": "string", "enum": ["sky", "sea"]}, "times": {"type": "integer", "enum": [1, 2]}},
    "required": ["at", "times"], "additionalProperties": False}}}
LISTEN = {"type": "function", "function": {"name": "listen", "parameters": {
    "type": "object", "properties": {"loud": {"type": "boolean"}}, "required": ["loud"], "additionalProperties": False}}}
