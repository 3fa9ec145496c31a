"""What the settings of a database let happen to an acknowledged order, in words."""

import pytest

from ringoff.domain.durability import Durability, Standby, judge

SAFE = {"fsync": "on", "full_page_writes": "on", "synchronous_standby_names": ""}
NAMED = SAFE | {"synchronous_standby_names": "FIRST 1 (node2)"}


@pytest.mark.parametrize(
    ("found", "is_good", "words"),
    [
        (Durability(SAFE, "on", [], False), True, "on the disk of this one server"),
        (Durability(SAFE | {"fsync": "off"}, "on", [], False), False, "lost in a crash: fsync = off"),
        (Durability(NAMED | {"full_page_writes": "off"}, "on", [], True), False, "full_page_writes = off"),
        (
            Durability(SAFE, "on", [Standby("node2", "async")], True),
            False,
            "several hosts, but synchronous_standby_names",
        ),
        (Durability(SAFE, "on", [], True), False, "acknowledged just before a fail-over can be lost"),
        (Durability(SAFE, "on", [Standby("node2", "async")], False), False, "a standby follows this server"),
        (Durability(NAMED, "on", [Standby("node2", "sync")], True), True, "a synchronous standby: node2"),
        (Durability(NAMED, "on", [Standby("a", "quorum"), Standby("b", "quorum")], True), True, "standby: a, b"),
        (Durability(NAMED, "on", [], True), False, "nothing is acknowledged or dialled"),
        (Durability(NAMED, "on", [Standby("other", "async")], True), False, "it is not there"),
        (Durability(NAMED, "on", [Standby("", None)], True), True, "a member of pg_monitor may see"),
        (Durability(SAFE, "off", [], False), True, "synchronous_commit = off is raised to on"),
        (Durability(NAMED, "local", [Standby("node2", "sync")], True), True, "synchronous_commit = local is raised"),
        (Durability(NAMED, "remote_write", [], True), False, "synchronous_commit = remote_write is raised"),
    ],
)
def test_the_verdict(found: Durability, is_good: bool, words: str) -> None:
    verdict, said = judge(found)
    assert words in said
    assert verdict is is_good


def test_enough_is_not_spoken_of() -> None:
    assert "synchronous_commit" not in judge(Durability(NAMED, "remote_apply", [Standby("node2", "sync")], True))[1]
