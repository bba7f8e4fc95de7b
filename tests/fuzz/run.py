"""Fuzz the parsers and the engine: each file in targets/ has ``fuzz(data)``, which must raise nothing and take linear time. ``make fuzz EXECUTIONS=1000000``

A process for each target, with atheris where it is installed (its coverage leads to new inputs), else with mutations of the seeds, the same in each
run. A target may name its own ``SEEDS``, and say what it ``COSTS``: it gets so many times fewer executions.
The exit code is 1 where one of them failed; the input is in tests/fuzz/found/.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
FOUND = HERE / "found"
TARGETS = {path.stem: path for path in sorted((HERE / "targets").glob("*.py"))}

SEEDS = [
    *(b"", b"a=1; b=2", b'a="x;y"; b=2', b"a=1&b=%41+c&a=", b"bytes=0-1,-5,7-", b"text/html;q=0.5, */*;q=0.1", b"gzip, br;q=0, identity;q=0"),
    *(b"example.org:8000", b"[::1]:80", b"https://*.example.org", b'{"a": [1, 2.5e3, null, "\\u00e9"]}', b'"etag", W/"x"', b"/a/{b:int}/../%2f//c"),
    *(b"Sun, 06 Nov 1994 08:49:37 GMT", b'for="[::1]:80";proto=https, for=10.0.0.1', b"Basic YTpi", b"Bearer a.b.c", b"id: 1\ndata: x\n\n"),
    b'--x\r\ncontent-disposition: form-data; name="a"; filename="b"\r\n\r\nc\r\n--x--\r\n',
]
"""To begin with; every target gets them all, as what one parser takes is what another one may choke on."""

TOKENS = [b",", b";", b"=", b"\\", b'"', b'\\"', b"%", b"%41", b"[", b"]", b"{", b"}", b"(", b":", b"/", b"../", b"-", b"0-0,", b" ", b"\t", b"\r\n", b"\x00",
          b"\xff", b"*", b"q=", b";q=0.5,", b"a", b"a=b&", b"a=b;", b"&", b"+", b"1", b"e9", b"\xc3\xa9", b"W/", b"--x", b"data:", b"\n\n"]  # fmt: skip
"""What is put in between, and repeated to look for quadratic time."""

MAX_BYTES = 4096
SMALL, LARGE = 16 * 1024, 64 * 1024
NOISE_S = 0.01
"""Times below are no times."""
MOST = 6
"""time(4n) / time(n): 4 where it is linear, 16 where it is quadratic."""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", TARGETS[name])
    if spec is None or spec.loader is None:
        raise ImportError(f"no target {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seeds_of(target: ModuleType) -> list[bytes]:
    return [*getattr(target, "SEEDS", ()), *SEEDS]


def share_of(target: ModuleType, executions: int) -> int:
    """How many of ``executions`` are for this target."""
    return max(1, executions // getattr(target, "COSTS", 1))


def mutations(name: str, seeds: Sequence[bytes], count: int) -> Iterator[bytes]:
    """``count`` inputs made from ``seeds``, the same in each run."""
    chance = random.Random(name)
    for number in range(count):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(chance.randrange(4)):
            at, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
            other = chance.choice(seeds)
            data[at:end] = chance.choice(
                [chance.choice(TOKENS) * chance.choice([1, 1, 2, 50]), chance.randbytes(chance.randrange(4)), other[: chance.randrange(len(other) + 1)], b""]
            )
        yield bytes(data[:MAX_BYTES])


def slow_inputs(fuzz: Callable[[bytes], None], tokens: Sequence[bytes]) -> list[str]:
    """Tokens whose repetition takes more than linear time, in words; best of three, and looked at twice."""
    return [f"{token[:40]!r} repeated: {LARGE} bytes take {ratio:.1f} times as long as {SMALL}" for token in tokens if (ratio := _ratio(fuzz, token)) > MOST]


def _ratio(fuzz: Callable[[bytes], None], token: bytes) -> float:
    for _ in range(2):
        small, large = (_best_s(fuzz, (token * size)[:size]) for size in (SMALL, LARGE))
        if large < NOISE_S or large / small <= MOST:
            return 0
    return large / small


def _best_s(fuzz: Callable[[bytes], None], data: bytes) -> float:
    times: list[float] = []
    for _ in range(3):
        began = time.process_time()
        fuzz(data)
        times.append(time.process_time() - began)
        if times[-1] < NOISE_S / 8:
            break  # too fast to matter
    return max(min(times), 1e-9)


# ---- a process for each


def run_one(name: str, executions: int) -> int:
    """Fuzz one target in this process. atheris does not come back: it exits."""
    try:
        import atheris
    except ImportError:
        return run_without(name, executions)
    with atheris.instrument_imports(include=["shallot"], enable_loader_override=False):
        target = load(name)
    if slow := slow_inputs(target.fuzz, [seed for seed in [*TOKENS, *seeds_of(target)] if seed]):
        print("\n".join(slow), file=sys.stderr)
        return 1
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds_of(target)):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-runs={executions}", f"-max_len={MAX_BYTES}", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={FOUND}/{name}-", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", corpus], target.fuzz)
        atheris.Fuzz()
    return 0


def run_without(name: str, executions: int) -> int:
    target = load(name)
    for data in mutations(name, seeds_of(target), executions):
        try:
            target.fuzz(data)
        except Exception:
            FOUND.mkdir(exist_ok=True)
            (FOUND / f"{name}-input").write_bytes(data)
            raise
    print("\n".join(slow := slow_inputs(target.fuzz, [*TOKENS])), file=sys.stderr)
    return 1 if slow else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="all, if none is named")
    parser.add_argument("--executions", type=int, default=100_000, help="of each target that says nothing of its costs")
    parser.add_argument("--here", action="store_true", help="in this process: one target alone")
    options = parser.parse_args()
    if options.here:
        return run_one(options.targets[0], options.executions)
    failed: list[str] = []
    for name in options.targets or TARGETS:
        began, executions = time.monotonic(), share_of(load(name), options.executions)
        command = [sys.executable, __file__, "--here", "--executions", str(executions), name]
        ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        failed += [name] if ran.returncode else []
        print(f"{name:16} {'FAILED' if ran.returncode else 'ok':7} {executions:>12,} executions {time.monotonic() - began:8.1f} s", flush=True)
        if ran.returncode:
            print(ran.stdout[-2000:], ran.stderr[-6000:], sep="\n")
    print(f"{len(failed)} of {len(options.targets or TARGETS)} failed", *failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
