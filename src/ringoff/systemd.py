"""Tells systemd when this process is ready, stops, and is still alive: sd_notify(3), without its library."""

import os
import socket
from collections.abc import Mapping

import structlog

from ringoff.ports import Clock

log = structlog.get_logger()


class Systemd:
    """Silent where no ``NOTIFY_SOCKET`` is, which is everywhere but in a unit of ``Type=notify``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An @ stands for the zero byte of the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval_us = environment.get("WATCHDOG_USEC", "")
        self._interval_s = int(interval_us) / 1e6 if is_ours and interval_us.isdigit() else 0.0

    def tell(self, state: str) -> None:
        """Such as ``READY=1``. Whoever does not listen is not waited for."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as teller:
                teller.setblocking(False)
                teller.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("systemd could not be told", state=state, reason=str(error))

    async def watchdog(self, clock: Clock) -> None:
        """Until cancelled: twice as often as ``WatchdogSec`` asks, for as long as this process's loop turns."""
        while self._address and self._interval_s > 0:
            self.tell("WATCHDOG=1")
            await clock.sleep(self._interval_s / 2)
