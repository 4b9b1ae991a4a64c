"""A bounded run of tests/bench/soak.py: nothing is answered wrongly, nothing is held when all have left, memory does not keep growing."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from soak import soak  # noqa: E402


def test_soak():
    report = soak(os.environ["STEP3_COMMAND"], requests=2000, seconds=15, clients=8, options=("--threads", "2"))
    print(report)
    assert report["wrong"] == []
    assert report["requests"] >= 100
    assert report["idle"] and report["kv_blocks_used"] == 0
    assert report["growth_mib"] < 10  # a leak of some KiB a request would be more
