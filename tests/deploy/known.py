"""What a deployment may name: the settings, the commands and the probes that this version has."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path

from ringoff.api.monitoring import METRICS_PATH
from ringoff.api.native import health
from ringoff.cli import app
from ringoff.settings import CONFIG_VARIABLE, PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

DRAIN_VARIABLE = "RINGOFF_DRAIN_S"
PROBES = {operation.path for operation in health.ROUTES.operations} | {METRICS_PATH}
# Roles that stay; the other commands do their work and end.
ROLES = {"serve", "dispatch", "deliver"}


@cache
def commands() -> set[str]:
    return {name for name in app if not name.startswith("-")}


def assert_are_settings(environment: Mapping[str, str], *, elsewhere: Iterable[str] = ()) -> None:
    """Each variable is one of this version with a value that it takes, or is named as somebody else's."""
    known = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)} | {CONFIG_VARIABLE}
    ours = {name: str(value) for name, value in environment.items() if name not in set(elsewhere)}
    assert ours.keys() <= known, f"no settings: {sorted(ours.keys() - known)}"
    # Where the file will be is no matter here.
    _settings, unknown = load_settings({name: value for name, value in ours.items() if name != CONFIG_VARIABLE})
    assert unknown == []


def drain_s(environment: Mapping[str, str]) -> float:
    """How long a stop may wait for calls, with these variables."""
    return float(environment.get(DRAIN_VARIABLE, Settings(data_dir=Path()).drain_s))
