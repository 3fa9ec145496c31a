"""The README as a newcomer runs it: beside a server with the demo, every marked block in order, in one shell."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.client import TERMINATED
from tests.support.processes import RINGOFF, ServerProcess, clean_environment, until

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh(?P<marked> run)?[^\S\n]*\n(?P<script>.*?)^```[^\S\n]*$", re.MULTILINE | re.DOTALL)
KEY_PRINTED = re.compile(r"^ +key +(?P<key>\S+)$", re.MULTILINE)
BLOCKS_MIN = 5
LEVELS = 5
RUN_WITHIN_S = 60


def blocks_to_run() -> list[str]:
    """The marked blocks, and those that only export what the marked ones use."""
    blocks = [(bool(found["marked"]), found["script"]) for found in BLOCK.finditer(README)]
    return [script for is_marked, script in blocks if is_marked or _only_exports(script)]


def _only_exports(script: str) -> bool:
    return all(line.startswith("export ") for line in script.splitlines())


@pytest.mark.slow
def test_the_readme_runs_as_it_stands() -> None:
    blocks = blocks_to_run()
    assert len(blocks) >= BLOCKS_MIN, f"the README has {len(blocks)} blocks to run"
    with ServerProcess("--demo", bootstrap_api_key="") as server:
        printed = until(lambda: KEY_PRINTED.search(server.process.said()), "the demo prints the key")
        assert printed is not None
        port = server.url.rpartition(":")[2]
        script = "\n".join(["set -euo pipefail", *blocks])
        script = script.replace(":8080", f":{port}").replace("ringoff_live_...", printed["key"])
        (server.root / ".venv").mkdir()
        (server.root / ".venv" / "bin").symlink_to(RINGOFF.parent)
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=server.root,
            env=clean_environment({"RINGOFF_DATA_DIR": str(server.data_dir)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_S,
            check=False,
        )
    said = f"{ran.stdout}\n{ran.stderr}"
    assert ran.returncode == 0, said
    assert '"detail"' not in said, "the API refused something"
    assert '"error":' not in said, "the API refused something"
    assert ran.stdout.count(TERMINATED["message"]) >= LEVELS
