"""The compose file: by its specification, with what Ringoff has, and a PostgreSQL that keeps what is acknowledged."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from ringoff.settings import Settings
from ringoff.store.embedded import DURABLE_SETTINGS
from tests.deploy.known import DEPLOY, ROLES, assert_are_settings, commands, drain_s

FILE = DEPLOY / "compose" / "compose.yaml"
COMPOSED: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSED["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("ringoff:")}
STAYING = {name: service for name, service in OURS.items() if service["command"][0] in ROLES}
# Four pools, one connection each that listens, and one that looks and ends.
_OTHER_SESSIONS = 2 + 2


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text[:-1])


def test_it_keeps_to_the_specification() -> None:
    schema = json.loads((DEPLOY.parent / "tests" / "deploy" / "compose-spec.json").read_text(encoding="utf-8"))
    # The schema is of 2021, and `name` is a year younger.
    composed = {name: value for name, value in COMPOSED.items() if name != "name"}
    jsonschema.Draft7Validator(schema).validate(composed)
    broken = composed | {"services": SERVICES | {"serve": SERVICES["serve"] | {"restrat": "always"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(broken)


def test_every_role_is_there_and_there_are_two_dispatchers() -> None:
    assert sorted(service["command"][0] for service in STAYING.values()) == ["deliver", "dispatch", "dispatch", "serve"]


@pytest.mark.parametrize("name", OURS)
def test_a_command_and_its_settings_are_of_this_version(name: str) -> None:
    [command] = OURS[name]["command"]
    assert command in commands()
    assert_are_settings(OURS[name]["environment"])


@pytest.mark.parametrize("name", OURS)
def test_a_process_can_change_nothing_and_has_a_limit(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory"}
    assert "privileged" not in service
    assert "user" not in service, "the image says who"


@pytest.mark.parametrize("name", STAYING)
def test_a_stop_leaves_time_for_the_drain(name: str) -> None:
    service = STAYING[name]
    assert seconds(service["stop_grace_period"]) > drain_s(service["environment"]) + 10
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", STAYING)
def test_nothing_starts_before_the_schema_is_there(name: str) -> None:
    assert STAYING[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert STAYING[name]["environment"]["RINGOFF_MIGRATE"] == "never"
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_passwords_come_from_files_that_git_ignores() -> None:
    files = {secret["file"] for secret in COMPOSED["secrets"].values()}
    assert all(file.startswith("./secrets/") for file in files)
    assert "/secrets/" in (FILE.parent / ".gitignore").read_text(encoding="utf-8").split()
    used = {name for service in SERVICES.values() for name in service["secrets"]}
    assert used == COMPOSED["secrets"].keys()
    for service in SERVICES.values():
        for name in service["environment"]:
            assert name.endswith("_FILE") or not any(word in name for word in ("PASSWORD", "URL", "KEY"))
    assert all(service["environment"]["RINGOFF_CONFIG"] == "/run/secrets/ringoff.toml" for service in OURS.values())


def test_postgres_keeps_what_is_acknowledged_and_nobody_outside_reaches_it() -> None:
    postgres = SERVICES["postgres"]
    set_ = dict(option.removeprefix("-c").split("=") for option in postgres["command"][1:])
    assert DURABLE_SETTINGS.items() <= set_.items()
    assert "ports" not in postgres
    assert postgres["networks"] == ["database"]
    assert COMPOSED["networks"]["database"] == {"internal": True}
    assert postgres["healthcheck"]["test"][1] == "pg_isready"
    assert postgres["volumes"] == ["database:/var/lib/postgresql"], "the place of version 18 and later"


def test_postgres_has_a_connection_for_every_pool_at_its_largest() -> None:
    settings = Settings(data_dir=FILE)
    each = settings.pool_max + settings.order_pool_max + settings.dispatch_pool_max + _OTHER_SESSIONS
    [given] = [option for option in SERVICES["postgres"]["command"] if option.startswith("-cmax_connections=")]
    # During an upgrade old and new are connected together.
    assert int(given.split("=")[1]) >= 2 * each * len(STAYING)


def test_only_this_machine_reaches_the_api_before_a_proxy_is_there() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8080:8080"]
