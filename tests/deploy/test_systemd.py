"""The systemd units: what systemd itself says of them, and that they name what Ringoff has."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.deploy.known import DEPLOY, ROLES, assert_are_settings, commands, drain_s

UNITS = sorted((DEPLOY / "systemd").glob("*.*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
PROGRAM = "/opt/ringoff/bin/ringoff"
# Of 10, as `systemd-analyze security` counts: below 2 it says OK.
_EXPOSURE_MAX = 1.5

Unit = dict[str, dict[str, list[str]]]


def read(path: Path) -> Unit:
    unit: Unit = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            unit[section][name].append(value)
    return unit


def command_of(unit: Unit) -> str:
    [line] = unit["Service"]["ExecStart"]
    program, command = line.split()
    assert program == PROGRAM
    return command


def environment_of(unit: Unit) -> dict[str, str]:
    given = dict(line.split("=", maxsplit=1) for line in unit["Service"]["Environment"])
    return {name: value.replace("%i", "1") for name, value in given.items()}


def staying() -> list[Path]:
    return [path for path in SERVICES if command_of(read(path)) in ROLES]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_its_command_and_its_settings_are_of_this_version(path: Path) -> None:
    unit = read(path)
    assert command_of(unit) in commands()
    assert_are_settings(environment_of(unit))


def test_every_role_has_its_unit() -> None:
    assert {command_of(read(path)) for path in staying()} == ROLES
    assert (DEPLOY / "systemd" / "ringoff-dispatch@.service") in UNITS, "there may be several on one machine"


@pytest.mark.parametrize("path", staying(), ids=lambda path: path.name)
def test_a_stop_leaves_time_for_the_drain_and_a_death_is_mended(path: Path) -> None:
    service = read(path)["Service"]
    assert float(service["TimeoutStopSec"][0]) > drain_s(environment_of(read(path))) + 10
    assert service["Restart"] == ["always"]
    assert service["Type"] == ["notify"]
    assert read(path)["Unit"]["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_the_password_is_in_no_environment(path: Path) -> None:
    service = read(path)["Service"]
    assert service["LoadCredential"] == ["ringoff.toml:/etc/ringoff/ringoff.toml"]
    assert environment_of(read(path))["RINGOFF_CONFIG"] == "%d/ringoff.toml"
    assert service["DynamicUser"] == ["yes"]


def test_no_two_processes_of_a_machine_share_a_metrics_port() -> None:
    ports = [environment_of(read(path))["RINGOFF_METRICS_PORT"] for path in staying()]
    instances = [f"947{number}" for number in range(1, 10)]
    others = set(ports) - set(instances)
    assert len(others) == len(ROLES) - 1
    assert len(set(ports)) == len(ports)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    program = tmp_path / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    for path in UNITS:
        shutil.copy(path, units)
    # Those that ours stand on are systemd's own.
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    names = [path.name.replace("@.", "@1.") for path in UNITS]
    checked = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tmp_path}", "--man=no", "--recursive-errors=no", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_systemd_finds_little_to_attack(path: Path) -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert float(exposure) <= _EXPOSURE_MAX


def test_the_timer_has_its_service() -> None:
    [timer] = [path for path in UNITS if path.suffix == ".timer"]
    assert timer.with_suffix(".service") in SERVICES
    assert read(timer)["Timer"]["OnCalendar"]
