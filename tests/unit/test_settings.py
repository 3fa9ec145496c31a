"""Settings come from one place each, and a mistake names the variable and its rule."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from ringoff.domain.errors import InvalidInput
from ringoff.settings import PREFIX, Settings, default_of, load_settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `RINGOFF_(?P<name>[A-Z_]+)` \| (?P<default>[^|]+) \|", re.MULTILINE)


def test_without_anything_the_defaults_hold() -> None:
    settings, unknown = load_settings({"XDG_DATA_HOME": "/srv"})
    assert settings == Settings(data_dir=Path("/srv/ringoff"))
    assert unknown == []


def test_an_option_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    config = tmp_path / "ringoff.toml"
    config.write_text('port = 1\nhost = "::1"\nlease_s = 20\n')
    environment = {"RINGOFF_CONFIG": str(config), "RINGOFF_PORT": "2", "RINGOFF_LEASE_S": "30"}
    settings, _unknown = load_settings(environment, {"port": "3", "host": None})
    assert (settings.port, settings.host, settings.lease_s) == (3, "::1", 30.0)


def test_an_empty_variable_is_unset() -> None:
    assert load_settings({"RINGOFF_PORT": "", "RINGOFF_DATABASE_URL": ""})[0].port == 8080


def test_unknown_variables_are_reported_but_those_of_others_are_not() -> None:
    environment = {"RINGOFF_PROT": "1", "RINGOFF_API_KEY": "k", "RINGOFF_TEST_DATABASE_URL": "x", "PATH": "/bin"}
    assert load_settings(environment)[1] == ["RINGOFF_PROT"]


@pytest.mark.parametrize(
    ("variable", "text", "rule"),
    [
        ("RINGOFF_PORT", "65536", "must be a whole number from 0 to 65535"),
        ("RINGOFF_PORT", "80a", "must be a whole number"),
        ("RINGOFF_PORT", "-1", "must be a whole number"),
        ("RINGOFF_PORT", "٨", "must be a whole number"),
        ("RINGOFF_LEASE_S", "nan", "must be a number from 2 to 600"),
        ("RINGOFF_LEASE_S", "inf", "must be a number from 2 to 600"),
        ("RINGOFF_LEASE_S", "soon", "must be a number from 2 to 600"),
        ("RINGOFF_LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
        ("RINGOFF_DATABASE_URL", "mysql://u:secret@h/d", "must start with postgresql://"),
        ("RINGOFF_SIMULATED_MIX", "nonsense", "outcome mix: expected 'cold', 'warm' or a list of outcome=weight"),
        ("RINGOFF_PERMIT_TTL_MS", "1000", "must be smaller than RINGOFF_ORIGINATE_TIMEOUT_MS"),
    ],
)
def test_a_broken_rule_names_variable_and_rule(variable: str, text: str, rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings({variable: text})
    assert caught.value.message.startswith(f"{variable} {rule}")
    assert caught.value.field == variable
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prot = 1", "prot in .* is no setting"),
        ("port = true", "port in .* must be a text or a number"),
        ("port = 70000", "port in .* must be a whole number"),
        ("port = ", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    config = tmp_path / "ringoff.toml"
    config.write_text(text)
    with pytest.raises(InvalidInput, match=complaint):
        load_settings({"RINGOFF_CONFIG": str(config)})


def test_the_name_that_its_field_has_for_the_collector_is_understood() -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert load_settings(environment)[0].otel_endpoint == "http://127.0.0.1:4318"
    ours = environment | {"RINGOFF_OTEL_ENDPOINT": "http://127.0.0.1:9999"}
    assert load_settings(ours)[0].otel_endpoint == "http://127.0.0.1:9999"
    with pytest.raises(InvalidInput, match="OTEL_EXPORTER_OTLP_ENDPOINT must start with http"):
        load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4317"})


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="RINGOFF_CONFIG: /nowhere cannot be read"):
        load_settings({"RINGOFF_CONFIG": "/nowhere"})


def test_the_document_has_every_setting_in_order_with_its_default() -> None:
    rows = [(match["name"], match["default"].strip()) for match in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))]
    assert [name for name, _default in rows] == [setting.name.upper() for setting in fields(Settings)]
    for name, documented in rows:
        default = default_of(name.lower())
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        if name == "DATA_DIR":
            continue
        if name == "SIMULATED_MIX":
            assert load_settings({PREFIX + name: documented.strip("`")})[0].simulated_mix == default
        else:
            assert documented == ("-" if default is None else f"`{default}`"), name
