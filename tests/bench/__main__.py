"""Runs the benchmarks and writes their figures as JSON: `python -m tests.bench --out bench.json [--only NAME …]`.

Every module tests/bench/bench_*.py has `run(progress) -> dict`; `progress` takes a line for the person who waits.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import tests.bench

PACKAGES: Final = ("py-evm", "web3", "coincurve", "safe-pysha3", "rusty-rlp", "rocksdict", "vyper", "eth-tester")


def names() -> list[str]:
    """The benchmarks there are, without their prefix."""
    found = (module.name for module in pkgutil.iter_modules(tests.bench.__path__))
    return sorted(name.removeprefix("bench_") for name in found if name.startswith("bench_"))


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "commit": _commit(),
    }


def plain_loop_s() -> float:
    """Process time of ten million turns of plain Python, best of three: by it figures of a shared machine compare."""
    best = float("inf")
    for _ in range(3):
        start, total = time.process_time(), 0
        for number in range(10_000_000):
            total += number & 7
        best = min(best, time.process_time() - start)
    return round(best, 3)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def run(only: list[str], out: Path) -> None:
    """Runs the named benchmarks, or all, and writes `out` after each, so that a stopped run keeps what it measured."""
    figures: dict[str, Any] = {"machine": machine(), "benches": {}}
    for name in only or names():
        _say(f"== {name}")
        start = time.perf_counter()
        measured: dict[str, Any] = importlib.import_module(f"tests.bench.bench_{name}").run(_say)
        measured["took_s"] = round(time.perf_counter() - start, 1)
        measured["plain_loop_s"] = plain_loop_s()
        figures["benches"][name] = measured
        figures["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    _say(f"written to {out}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures Dure.")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the figures go")
    parser.add_argument("--only", nargs="*", default=[], choices=names(), help="these benchmarks only")
    arguments = parser.parse_args()
    run(arguments.only, arguments.out)


if __name__ == "__main__":
    main()
