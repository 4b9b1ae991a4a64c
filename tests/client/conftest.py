"""Servers that the tests share. STEP3_COMMAND names the program."""
import os

import pytest

from step3_server import Server

BINARY = os.environ["STEP3_COMMAND"]
OPTIONS = ("--threads", "2")


def running(*options, environment=None):
    memory = () if "--kv-memory" in options else ("--kv-memory", "0.25")
    server = Server(BINARY, *OPTIONS, *memory, *options, environment=environment)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def server():
    yield from running()


@pytest.fixture(scope="session")
def client(server):
    with server.client() as made:
        yield made


@pytest.fixture(scope="session")
def model(server):
    return server.model


@pytest.fixture
def narrow():
    """One request runs, one waits, the next is refused."""
    yield from running("--max-running", "1", "--max-waiting", "1")


@pytest.fixture
def fresh():
    """Nothing was asked of it yet."""
    yield from running("--name", "team/fresh")


@pytest.fixture(scope="session")
def guarded():
    yield from running(environment={"STEP3_API_KEY": "alpha,beta"})
