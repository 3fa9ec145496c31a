"""What `ringoff migrate` does and says: expansions at any time, contracts when asked for and nobody is in the way."""

from collections.abc import Callable, Sequence

from ringoff.database import running_database
from ringoff.domain.errors import RingoffError
from ringoff.settings import Settings
from ringoff.store.cluster import settle_in
from ringoff.store.connection import Connection
from ringoff.store.migrate import Migration, apply_migrations, half_done, pending, planned
from ringoff.store.postgres import connect_once
from ringoff.store.schema import other_versions

Say = Callable[[str], None]


async def run_migrate(settings: Settings, *, contract: bool, is_dry_run: bool, say: Say) -> None:
    """One line for each file. ``MigrationRefused`` when something that was asked for could not be done."""
    if is_dry_run and settings.database_url is None and not (settings.data_dir / "postgres" / "PG_VERSION").exists():
        say(f"there is no database in {settings.data_dir} yet; `ringoff up` makes it")
        return
    async with running_database(settings) as (dsn, _postgres):
        connection = await connect_once(dsn)
        try:
            if not is_dry_run:
                for file_name in await apply_migrations(connection, contract=contract):
                    say(f"applied {file_name}")
                runs_on_it = all(not migration.is_needed for migration in await pending(connection))
                if runs_on_it and (translated := await settle_in(connection)) is not None:
                    say(f"restored from a dump: the transaction ids of {translated.call_count} calls were translated")
            await _say_what_waits(connection, say, contract=contract)
        finally:
            await connection.close()


async def migration_report(connection: Connection) -> tuple[bool, str]:
    """For `ringoff doctor`: whether this version runs on the schema as it is, and what waits, with its command."""
    try:
        waiting = await pending(connection)
    except RingoffError as error:
        return False, error.message
    if not waiting:
        return True, "the schema is this version's"
    at_once = await planned(connection, contract=False)
    later = [migration for migration in waiting if migration not in at_once]
    words = [f"`ringoff migrate` applies {_names(at_once)}"] if at_once else []
    if later:
        others = await other_versions(connection)
        until = "" if others is None else f", once these sessions are gone: {others}"
        words.append(f"`ringoff migrate --contract` applies {_names(later)}{until}")
    return all(not migration.is_needed for migration in waiting), "not applied yet: " + "; ".join(words)


async def _say_what_waits(connection: Connection, say: Say, *, contract: bool) -> None:
    waiting = await pending(connection)
    if not waiting:
        say("the schema is this version's")
        return
    done, others = await half_done(connection), await other_versions(connection)
    plan = await planned(connection, contract=contract)
    for migration in plan:
        steps = f"{done.get(migration.version, 0)} of {len(migration.steps)} steps are done"
        stopped = "" if migration.is_expansion or others is None else f"; refused while these are connected: {others}"
        say(f"would apply {migration.file_name} ({steps}){stopped}")
    for migration in waiting:
        if migration not in plan:
            say(f"waits for --contract: {migration.file_name}")


def _names(migrations: Sequence[Migration]) -> str:
    return ", ".join(migration.file_name for migration in migrations)
