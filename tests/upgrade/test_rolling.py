"""A rolling upgrade from the release before: both together on one database, and the promise holds all the time."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from ringoff.store.migrate import apply_migrations, shipped_migrations
from ringoff.store.migration_files import RUNS_FROM
from ringoff.store.postgres import connect_once
from tests.acceptance.client import Client, csv_of, numbers
from tests.acceptance.test_crashes import assert_rung_once_an_attempt, assert_silent_after
from tests.support.database import fresh_database
from tests.support.processes import BackgroundProcess, paused, until
from tests.upgrade.installation import Build, Installation, checks, installation, release_before, this_release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SEED = 20_261_126
TOYS = {
    # An expansion that touches what is dialled: a column with a default, and an index built beside the work.
    "_9001_toy__expand__sql": (
        "-- step\nALTER TABLE call ADD COLUMN IF NOT EXISTS toy integer DEFAULT 7;\n"
        "-- step outside a transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS toy_calls ON call (toy);\n"
        "-- step\nALTER TABLE dial_attempt ADD COLUMN IF NOT EXISTS toy integer;\n"
    ),
    "_9002_toy__sql": "-- step\nALTER TABLE call DROP COLUMN IF EXISTS toy;\n-- step\nCREATE TABLE toy (n integer);\n",
}


@pytest.fixture
def old(tmp_path: Path) -> Build:
    return release_before(tmp_path / "before")


@pytest.fixture
def new(tmp_path: Path) -> Build:
    build = this_release(tmp_path / "this")
    build.add_migrations(**TOYS)
    return build


@pytest.fixture
async def bare_dsn(database_server: str) -> AsyncIterator[str]:
    """The schema of the release before, and nothing in it."""
    async with fresh_database(database_server, "template0") as dsn:
        connection = await connect_once(dsn)
        try:
            await apply_migrations(connection, shipped_migrations()[:RUNS_FROM])
            await connection.execute("DROP TABLE schema_expansion, schema_step")
        finally:
            await connection.close()
        yield dsn


@pytest.fixture
def installed(bare_dsn: str, tmp_path: Path) -> Iterator[Installation]:
    root = tmp_path / "run"
    root.mkdir()
    with installation(bare_dsn, root) as made:
        yield made


def dial_and_order(here: Installation, client: Client) -> None:
    """A campaign that runs to its end, and one that is ended in its middle; the history has both."""
    client.set_pace(cps_max=200, channels_max=1_000)
    goes_on = client.campaign(numbers(0, 150), retry_count=1)
    ended = client.campaign(numbers(10_000, 600), retry_count=1)
    ids = {call["id"] for call in client.history(ended)}
    dialled_before = len(here.wire())
    until(lambda: len(here.wire()) >= dialled_before + 60, "it dials")
    acknowledged_ns = client.terminate(campaign_id=ended)
    client.wait_until_over(goes_on, ended)
    assert_silent_after(here.wire(), ids, acknowledged_ns)
    assert_rung_once_an_attempt(here.wire(), rings_max=2)
    assert client.statuses(goes_on).total() == 150
    assert "cancelled" not in client.statuses(goes_on)
    assert client.statuses(ended)["cancelled"] > 0
    settled = "SELECT count(*) AS unsettled FROM termination WHERE state <> 'settled'"
    until(lambda: here.look(settled)[0]["unsettled"] == 0, "the receipts are settled")


def assert_well(here: Installation, build: Build) -> None:
    """Of a test's database everything but its durability is good."""
    doctor = here.command(build, "doctor", "--json")
    assert [name for name, is_good in checks(doctor).items() if not is_good] == ["durability"], doctor.stdout


def stop(*processes: BackgroundProcess) -> None:
    assert [process.terminate() for process in processes] == [0] * len(processes)


def test_the_release_before_works_on_the_expanded_schema(installed: Installation, old: Build, new: Build) -> None:
    server, client = installed.serve(old, "up")
    migrated = installed.command(new, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "applied 9001_toy.expand.sql" in migrated.stdout
    stop(server)
    server, client = installed.serve(old, "up")
    dispatcher = installed.work(old, "dispatch")
    dial_and_order(installed, client)
    assert_well(installed, old)
    stop(dispatcher, server)


def test_this_release_works_on_the_schema_of_the_one_before(installed: Installation, old: Build, new: Build) -> None:
    stop(installed.serve(old, "up")[0])  # there is something in it
    never = {"migrate": "never"}
    server, client = installed.serve(new, "serve", **never)
    workers = [installed.work(new, role, **never) for role in ("dispatch", "dispatch", "deliver")]
    hook = str(client._server.http.base_url.join("/hook"))
    body = {"event_type": ["call_completed"], "callback_url": hook, "agent_id": client.agent_id}
    assert client._server.http.put("/api/v1/webhooks", json=body).status_code == 200
    dial_and_order(installed, client)
    tried = "SELECT count(*) AS tried FROM webhook_delivery WHERE status = 404"
    until(lambda: installed.look(tried)[0]["tried"] >= 150, "every call was told of")
    assert client._server.http.get("/readyz").status_code == 200
    assert installed.look("SELECT to_regclass('schema_expansion') AS log")[0]["log"] is None, "nothing was migrated"
    assert_well(installed, new)
    stop(*workers, server)


class RandomOrders:
    """Campaigns that are dialled for long, and orders that end them one by one, through any of the clients."""

    def __init__(self, here: Installation, clients: Sequence[Client]) -> None:
        self.clients = clients
        self._here = here
        self._dice = random.Random(SEED)
        clients[0].set_pace(cps_max=80, channels_max=2_000)
        self.to_be_ended = [
            self._dice.choice(clients).upload(csv_of(numbers(10_000 * place, 1_500)), retry_count=1)["list_id"]
            for place in range(6)
        ]
        goes_on = clients[0].upload(csv_of(numbers(900_000, 300)), retry_count=1)["list_id"]
        self.campaigns = [*self.to_be_ended, goes_on]
        self._ids = {campaign: {call["id"] for call in clients[0].history(campaign)} for campaign in self.campaigns}
        self._acknowledged: dict[str, int] = {}
        for campaign in self.campaigns:
            self._dice.choice(clients).start(campaign)

    def order(self) -> None:
        campaign = self._dice.choice([each for each in self.to_be_ended if each not in self._acknowledged])
        dialled_before = len(self._here.wire())
        until(lambda: len(self._here.wire()) >= dialled_before + 20, "it dials")
        self._acknowledged[campaign] = self._dice.choice(self.clients).terminate(campaign_id=campaign)

    def check(self, client: Client) -> None:
        """Every order was given; nothing covered was dialled after it, nothing else was cancelled, nothing is lost."""
        assert self._acknowledged.keys() == set(self.to_be_ended)
        client.wait_until_over(*self.campaigns, within_s=120)
        wire = self._here.wire()
        assert_rung_once_an_attempt(wire, rings_max=2)
        for campaign, acknowledged_ns in self._acknowledged.items():
            assert_silent_after(wire, self._ids[campaign], acknowledged_ns)
        for campaign in self.campaigns:
            statuses = client.statuses(campaign)
            assert statuses.total() == len(self._ids[campaign]), "a call was lost"
            assert (statuses["cancelled"] > 0) is (campaign in self._acknowledged), "ordered is cancelled, and no more"


def test_both_dial_together_while_the_schema_expands(installed: Installation, old: Build, new: Build) -> None:
    """Random orders through both, expansions in the middle, then one process after the other is replaced."""
    never = {"migrate": "never"}
    old_server, old_client = installed.serve(old, "up")
    old_dispatcher = installed.work(old, "dispatch")
    new_server, new_client = installed.serve(new, "serve", **never)
    new_dispatcher = installed.work(new, "dispatch", **never)
    orders = RandomOrders(installed, (new_client, old_client))

    orders.order()
    orders.order()
    migrated = installed.command(new, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    orders.order()
    refused = installed.command(new, "migrate", "--contract")
    assert refused.returncode == 1
    assert "ringoff (" in refused.stderr
    orders.order()
    stop(old_dispatcher)
    another = installed.work(new, "dispatch")
    orders.order()
    stop(old_server)
    orders.clients = (new_client,)
    until(lambda: not others(installed), "the sessions of the release before are gone")
    contracted = installed.command(new, "migrate", "--contract")
    assert contracted.returncode == 0, contracted.stderr
    assert contracted.stdout.endswith("the schema is this version's\n")
    orders.order()

    orders.check(new_client)
    owners = installed.look("SELECT DISTINCT owner_id FROM dial_attempt")
    assert len(owners) == 4, "old and new ones dialled"
    assert_well(installed, new)
    stop(another, new_dispatcher, new_server)


def others(here: Installation) -> bool:
    sessions = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ringoff'"
    return bool(here.look(sessions))


def test_the_release_before_stays_out_after_the_contract(installed: Installation, old: Build, new: Build) -> None:
    """Also one that was cut off just then, so that nobody saw it, and comes back."""
    server, client = installed.serve(old, "up")
    client.set_pace(cps_max=50, channels_max=1_000)
    campaign = client.campaign(numbers(0, 2_000))
    until(lambda: len(installed.wire()) >= 20, "it dials")
    refused = installed.command(new, "migrate", "--contract")
    assert (refused.returncode, "stop those processes first" in refused.stderr) == (1, True)

    with paused(server):
        installed.look(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'ringoff'"
        )
        contracted = installed.command(new, "migrate", "--contract")
        assert contracted.returncode == 0, contracted.stderr
        dialled = len(installed.wire())
    until(lambda: server.said().count("later version of Ringoff") > 0, "it is told")
    until(lambda: server.exit_code is not None, "it gives up", within_s=90)
    assert len(installed.wire()) == dialled

    refused = installed.command(old, "doctor", "--json")
    assert checks(refused)["migrations"] is False
    starting = installed.start(old, "up", "--port", "0")
    until(lambda: starting.exit_code is not None, "it refuses to start")
    assert "too old for" in starting.said()

    new_server, new_client = installed.serve(new, "serve")
    dispatcher = installed.work(new, "dispatch")
    until(lambda: len(installed.wire()) >= dialled + 20, "the new ones go on with it")
    new_client.terminate(campaign_id=campaign)
    new_client.wait_until_over(campaign)
    assert_rung_once_an_attempt(installed.wire(), rings_max=1)
    assert_well(installed, new)
    stop(dispatcher, new_server)
