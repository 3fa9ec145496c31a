"""The benchmarks still run, all of them, at sizes that measure nothing: a figure is never asserted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.rivals.side_by_side import LEFT_OUT, PYTHON
from bench.sip_carrier import left_out
from bench.slices import left_out as slices_left_out
from tests.support.asterisk import missing

ROOT = Path(__file__).parents[2]
OPTIONS = {"ONLY", "ROWS", "BENCH_DIR"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_part_runs_and_the_table_is_whole() -> None:
    environment = {name: text for name, text in os.environ.items() if name not in OPTIONS}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [cell.strip() for cell in rows[0]] == ["goal", "measured", "met"]
    # The libraries that it compares with are no dependency of the tests: `make bench` installs them.
    has_rivals = PYTHON.exists()
    assert (LEFT_OUT in done.stdout) is not has_rivals, done.stdout
    has_sip = left_out() is None
    has_asterisk = has_sip and missing() is None
    has_slices = slices_left_out() is None
    assert len(rows) == 1 + 37 + has_slices + 3 * has_rivals + 5 * has_sip + 2 * has_asterisk, done.stdout
    assert {row[-1].strip() for row in rows[1:]} <= {"yes", "NO"}
