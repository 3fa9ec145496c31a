"""Kills what a run stands on, by plan and one after the other, and sees to it that it comes back."""

import os
import signal
from threading import Event

from tests.chaos.journal import Journal
from tests.chaos.line import Address
from tests.chaos.plan import CrashDraw, Profile, crashes
from tests.support.processes import BackgroundProcess, ServerProcess, paused

LEASE_S = 2.0
_PAUSE_S = 1.5 * LEASE_S


class Crasher:
    """One thread; nobody else starts or ends processes while it runs."""

    def __init__(
        self, profile: Profile, server: ServerProcess, address: Address, journal: Journal, over: Event
    ) -> None:
        self._profile = profile
        self._server = server
        self._address = address
        self._journal = journal
        self._over = over
        self._dispatchers = [server.dispatcher() for _ in range(profile.dispatchers)]

    def run(self) -> None:
        for draw in crashes(self._profile):
            if self._over.wait(draw.pause_s):
                return
            self.see_all_alive()
            self._crash(draw)

    def see_all_alive(self) -> None:
        """A process that ended without being killed is trouble."""
        for process in (self._server.process, *self._dispatchers):
            if process.exit_code is not None:
                self._journal.trouble(f"{process.log_path.name}: ended by itself with {process.exit_code}")

    def _crash(self, draw: CrashDraw) -> None:
        place = int(draw.dispatcher * len(self._dispatchers))
        match draw.what:
            case "server killed":
                self._server.kill9()
                self._start_server()
            case "dispatcher killed":
                self._dispatchers[place].kill9()
                self._dispatchers[place] = self._server.dispatcher()
            case "database killed":
                self._server.kill9_postgres()
            case "server and database killed":
                self._server.kill9()
                if (pid := self._server.postmaster_pid) is not None:
                    os.kill(pid, signal.SIGKILL)
                self._start_server()
            case _:
                self._stop_for_a_while(self._dispatchers[place])
        self._journal.crash(draw.what)

    def _start_server(self) -> None:
        self._server.start()
        self._address.url = self._server.url

    def _stop_for_a_while(self, dispatcher: BackgroundProcess) -> None:
        with paused(dispatcher):
            self._over.wait(_PAUSE_S)
