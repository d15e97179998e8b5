"""The demo in growing sizes, one process each: `python -m tests.soak --out soak.json`.

Fails where the largest takes more than a GiB, or where time grows faster than riders (with a tenth for noise).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, TypedDict

SIZES: Final = (2_000, 10_000, 20_000)
MOST_BYTES: Final = 1 << 30
NOISE: Final = 1.1


class Figures(TypedDict):
    """One run: riders, wall clock, processor time, peak of resident memory."""

    riders: int
    seconds: float
    processor_s: float
    peak_bytes: int


def demo(riders: int) -> Figures:
    """One demo in a directory of its own; raises RuntimeError unless it ends in success."""
    program = str(Path(sys.executable).with_name("dure"))
    with tempfile.TemporaryDirectory(prefix="dure-soak-") as directory:
        started = time.perf_counter()
        command = [program, "--data", f"{directory}/data", "--json", "demo", "--riders", str(riders)]
        report = os.open(f"{directory}/report.json", os.O_WRONLY | os.O_CREAT, 0o600)
        child = os.posix_spawn(program, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, report, 1)])
        os.close(report)
        _, status, usage = os.wait4(child, 0)
        if status:
            raise RuntimeError(f"the demo with {riders} riders ended with {os.waitstatus_to_exitcode(status)}")
        return Figures(
            riders=riders,
            seconds=round(time.perf_counter() - started, 1),
            processor_s=round(usage.ru_utime + usage.ru_stime, 1),
            peak_bytes=usage.ru_maxrss * 1024,
        )


def judge(runs: list[Figures]) -> list[str]:
    """What does not hold, in words; nothing where all is well."""
    faults = [
        f"{run['riders']} riders took {run['peak_bytes']} bytes of memory"
        for run in runs
        if run["peak_bytes"] > MOST_BYTES
    ]
    for fewer, more in itertools.pairwise(runs):
        if more["processor_s"] * fewer["riders"] > fewer["processor_s"] * more["riders"] * NOISE:
            faults.append(f"from {fewer['riders']} to {more['riders']} riders, time grew faster than riders")
    return faults


def main() -> int:
    """Entry of `python -m tests.soak`: 0 where time and memory hold, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("soak.json"))
    options = parser.parse_args()
    runs: list[Figures] = []
    for riders in SIZES:
        sys.stderr.write(f"demo with {riders} riders\n")
        runs.append(demo(riders))
        sys.stderr.write(f"  {json.dumps(runs[-1])}\n")
    faults = judge(runs)
    options.out.write_text(json.dumps({"runs": runs, "faults": faults}, indent=1) + "\n", "utf-8")
    for fault in faults:
        sys.stderr.write(fault + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
