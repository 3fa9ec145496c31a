"""`ringoff login` keeps a key for its owner alone; an option goes before the environment, and that before a login."""

import json
import stat
from pathlib import Path

import pytest

from ringoff.cli import run
from ringoff.commands.ending import MISUSED, Ended
from ringoff.commands.profiles import Login, logins_path, read_logins, write_logins
from ringoff.commands.server import Server, resolve
from tests.support.processes import ServerProcess
from tests.support.terminal import Terminal

HOME = Login("https://home.example", "key-of-home")
STAGING = Login("https://staging.example", "key-of-staging")
LOGINS = {"default": HOME, "staging": STAGING}
OTHER = "https://other.example"


@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [
        (Server(), {}, HOME),
        (Server(profile="staging"), {}, STAGING),
        (Server(), {"RINGOFF_PROFILE": "staging"}, STAGING),
        (Server(), {"RINGOFF_URL": OTHER, "RINGOFF_API_KEY": "e"}, Login(OTHER, "e")),
        (Server(url=HOME.url, api_key="o"), {"RINGOFF_URL": OTHER, "RINGOFF_API_KEY": "e"}, Login(HOME.url, "o")),
        (Server(api_key="o"), {"RINGOFF_URL": OTHER}, Login(OTHER, "o")),
        (Server(), {"RINGOFF_API_KEY": "e"}, Login(HOME.url, "e")),
        (Server(url=HOME.url + "/ca/api/v0/"), {}, Login(HOME.url + "/ca/api/v0/", HOME.api_key)),
        (Server(profile="staging"), {"RINGOFF_URL": OTHER, "RINGOFF_API_KEY": "e"}, STAGING),
        (Server(), {"RINGOFF_URL": "", "RINGOFF_API_KEY": "", "RINGOFF_PROFILE": ""}, HOME),
    ],
)
def test_the_nearest_word_counts(options: Server, environment: dict[str, str], expected: Login) -> None:
    assert resolve(options, environment, LOGINS) == expected


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        (Server(url=OTHER), {}, "the login 'default' is for https://home.example"),
        (Server(), {"RINGOFF_URL": OTHER}, "the login 'default' is for https://home.example"),
        (Server(profile="nowhere"), {"RINGOFF_API_KEY": "e"}, "there is no login 'nowhere'"),
    ],
)
def test_a_key_goes_to_the_server_of_its_login_only(options: Server, environment: dict[str, str], words: str) -> None:
    with pytest.raises(Ended, match="login") as ended:
        resolve(options, environment, LOGINS)
    assert words in ended.value.message
    assert ended.value.code == MISUSED


def test_without_anything_it_says_what_to_give() -> None:
    with pytest.raises(Ended, match="ringoff login"):
        resolve(Server(), {}, {})


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = logins_path({"XDG_CONFIG_HOME": str(tmp_path)})
    write_logins(path, LOGINS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_logins(path) == LOGINS
    assert list(path.parent.iterdir()) == [path]
    path.chmod(0o640)
    with pytest.raises(Ended, match="chmod 600"):
        read_logins(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"default": {"url": "x"}}', '{"default": {"url": 1, "api_key": "k"}}']
)
def test_a_damaged_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "logins.json"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(Ended, match="remove it"):
        read_logins(path)


def test_a_key_is_typed_unseen_kept_used_and_forgotten(server: ServerProcess, here: dict[str, str]) -> None:
    home = {"XDG_CONFIG_HOME": here["XDG_CONFIG_HOME"]}
    with Terminal("login", "--url", server.url, variables=home) as terminal:
        terminal.wait_for("API key for")
        terminal.type(f"{server.key}\n")
        assert terminal.exit_code() == 0
        assert "Logged in" in terminal.shown
        assert server.key not in terminal.written
    with Terminal("campaign", "list", variables=home) as terminal:
        assert terminal.exit_code() == 0
        assert "Campaign" in terminal.shown
    with Terminal("logout", variables=home) as terminal:
        assert terminal.exit_code() == 0
    with Terminal("campaign", "list", variables=home) as terminal:
        assert terminal.exit_code() == MISUSED
        assert "ringoff login" in terminal.shown


def test_a_key_that_the_server_refuses_is_not_kept(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for variable in ("RINGOFF_URL", "RINGOFF_API_KEY", "RINGOFF_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    assert run(["login", "--url", server.url, "--api-key", "wrong"]) == 1
    assert "Invalid credentials" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_logins_have_names(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for variable in ("RINGOFF_URL", "RINGOFF_API_KEY", "RINGOFF_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    login = ["login", "--url", server.url, "--api-key", server.key, "--json"]
    assert run([*login, "--profile", "one"]) == 0
    assert json.loads(capsys.readouterr().out)["profile"] == "one"
    assert run([*login, "--profile", "two"]) == 0
    assert run(["campaign", "list", "--profile", "one"]) == 0
    assert run(["logout", "--profile", "three"]) == 1
    assert "there are one, two" in capsys.readouterr().err
    assert run(["logout", "--profile", "one"]) == 0
    assert sorted(read_logins(logins_path({"XDG_CONFIG_HOME": str(tmp_path)}))) == ["two"]
    assert run(["logout", "--all-profiles"]) == 0
    assert list((tmp_path / "ringoff").iterdir()) == []
