"""The page about the Python client: its examples run as they stand, and its list of methods is the client's."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ringoff.client import RingoffClient
from ringoff.client.methods import Group, Method, Walk
from tests.support.processes import ServerProcess, clean_environment

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python run\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS_MIN = 6
RUN_WITHIN_S = 60
PRINTED = (
    "57 of 57 bytes",
    "January renewals scheduled 2",
    "2 calls would be terminated",
    "Calls terminated successfully!",
    "nothing was left: No terminable calls found for the specified parameters",
    "400 mobile_numbers 1",
    "None 4",
)


@pytest.mark.slow
def test_the_examples_run_as_they_stand(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) >= BLOCKS_MIN
    with ServerProcess() as server:
        ran = subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)],
            cwd=tmp_path,
            env=clean_environment({"RINGOFF_URL": server.url, "RINGOFF_API_KEY": server.key}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_S,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    for words in PRINTED:
        assert words in ran.stdout, ran.stdout


def test_every_method_is_on_the_page() -> None:
    table = PAGE.partition("## All methods")[2]
    rows = dict(re.findall(r"^\| `client\.?([a-z_.]*)`[^|]* \| (.+) \|$", table, re.MULTILINE))
    with RingoffClient("http://127.0.0.1:9", "a-key") as client:
        groups: dict[str, Any] = {"": client, **groups_of(client), **groups_of(client.native, "native.")}
    # One row for three small groups.
    rows["native.numbers"] = rows["native.api_keys"] = rows["native.trunks"]
    assert rows.keys() == groups.keys()
    for path, group in groups.items():
        for name in methods_of(group):
            assert f"`{name}`" in rows[path], f"{path}.{name}"


def groups_of(group: Any, prefix: str = "") -> dict[str, Any]:
    return {prefix + name: value for name, value in vars(group).items() if name[0] != "_" and isinstance(value, Group)}


def methods_of(group: Any) -> list[str]:
    kinds = type(group).__mro__
    return [name for kind in kinds for name, value in vars(kind).items() if isinstance(value, Method | Walk)]
