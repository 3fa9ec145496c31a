"""A PgBouncer in front of the run's PostgreSQL, for tests that need one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.replicated import SYSTEM_USER, loopback_places

_PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
_PORT = 6432


@contextmanager
def pgbouncer(dsn: str, pool_mode: str, **settings: str) -> Iterator[str]:
    """The URL of the same database through it. Skips the test where there is no PgBouncer."""
    if _PROGRAM is None:
        pytest.skip("needs PgBouncer (make pgbouncer-tools; Debian: apt-get install pgbouncer)")
    parts, query = urlsplit(dsn), {name: values[-1] for name, values in parse_qs(urlsplit(dsn).query).items()}
    if "host" not in query:
        pytest.skip("needs the embedded PostgreSQL: the one of RINGOFF_TEST_DATABASE_URL has rules of its own")
    host, database = loopback_places()[0].host, parts.path.removeprefix("/")
    directory = Path(tempfile.mkdtemp(prefix="ringoff-pgbouncer-"))
    try:
        directory.chmod(0o755)
        own = {"listen_addr": host, "listen_port": str(_PORT), "unix_socket_dir": "", "auth_type": "any"}
        lines = [
            "[databases]",
            f"{database} = host={query['host']} port={query['port']} user={query['user']}",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in (own | {"pool_mode": pool_mode} | settings).items()),
        ]
        config = directory / "pgbouncer.ini"
        config.write_text("\n".join(lines) + "\n")
        # It refuses to run as root, like PostgreSQL, whose socket is only for its own user.
        user = SYSTEM_USER if os.geteuid() == 0 else None
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [_PROGRAM, str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, cwd=directory
            )
        try:
            yield f"postgresql://{query['user']}@{host}:{_PORT}/{database}"
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
