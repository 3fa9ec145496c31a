"""What systemd is told, through a socket like its own."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from ringoff.systemd import Systemd
from tests.support.virtual_clock import VirtualClock


@pytest.mark.parametrize("is_abstract", [False, True])
def test_it_is_told_by_a_datagram(tmp_path: Path, is_abstract: bool) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name if is_abstract else name)
        listening.settimeout(5)
        Systemd({"NOTIFY_SOCKET": "@" + name if is_abstract else name}).tell("READY=1")
        assert listening.recv(100) == b"READY=1"


def test_nobody_who_listens_is_no_trouble(tmp_path: Path) -> None:
    Systemd({}).tell("READY=1")
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


async def test_the_watchdog_is_fed_twice_as_often_as_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Systemd, "tell", lambda _self, state: told.append(state))
    clock = VirtualClock()
    asked = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
    feeding = asyncio.create_task(Systemd(asked).watchdog(clock))
    await clock.advance(7.0)
    assert told == ["WATCHDOG=1"] * 4  # at 0, 2, 4 and 6 s
    feeding.cancel()
    await Systemd(asked | {"WATCHDOG_PID": "1"}).watchdog(clock)
    await Systemd(asked | {"WATCHDOG_USEC": ""}).watchdog(clock)
    assert len(told) == 4
