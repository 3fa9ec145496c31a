"""The preview of a list says what the upload does, in the same words, and leaves nothing behind."""

from tempfile import TemporaryFile
from typing import IO

import pytest

from ringoff.operations import suppressions
from ringoff.operations.list_preview import FAULTS_SHOWN_MAX, ROWS_SHOWN_MAX, ListPreview, preview_list
from ringoff.operations.uploads import UploadRefused
from ringoff.store.postgres import PostgresStore
from tests.support.world import World

pytestmark = pytest.mark.anyio


def file_of(text: str) -> IO[bytes]:
    file = TemporaryFile()  # noqa: SIM115 - the caller's
    file.write(text.encode())
    file.seek(0)
    return file


async def previewed(
    store: PostgresStore, world: World, text: str, variables_map: dict[str, str] | None = None
) -> ListPreview:
    with file_of(text) as file:
        return await preview_list(store, world.principal, "+1", variables_map or {}, file)


async def rows_of(store: PostgresStore) -> dict[str, int]:
    async with store.transaction() as tx:
        return {
            table: await tx.connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("campaign", "contact", "call", "suppression", "outbox_event", "list_upload")
        }


async def test_each_kind_of_row_is_counted_and_nothing_is_kept(store: PostgresStore) -> None:
    world, stranger = await World.make(store), await World.make(store)
    await suppressions.suppress(store, world.principal, ["+14155550101", "+14155550999"], reason=None)
    await suppressions.suppress(store, stranger.principal, ["+14155550102"], reason=None)
    before = await rows_of(store)
    text = (
        "Mobile Number,Name,City\n+14155550101,Ada,Rome\n4155550102,Bob,Oslo\n"
        "+14155550101,Cy,Bonn\nnobody,Di,Lima\n5,6\n"
    )
    preview = await previewed(store, world, text, {"town": "City"})
    assert (preview.total_count, preview.valid_count, preview.invalid_count) == (5, 2, 3)
    assert (preview.duplicate_count, preview.suppressed_count) == (1, 1)
    assert preview.columns == ("Mobile Number", "Name", "City")
    assert preview.sample[1] == {"mobile_number": "+14155550102", "callee_name": "Bob", "town": "Oslo"}
    assert [(fault.line, fault.column, fault.rule) for fault in preview.faults] == [
        (4, "Mobile Number", "repeats the number of line 2"),
        (5, "Mobile Number", "holds no digits"),
        (6, None, "has 2 fields where the header has 3"),
    ]
    assert await rows_of(store) == before


async def test_what_is_shown_is_bounded_and_what_is_counted_is_not(store: PostgresStore) -> None:
    world = await World.make(store)
    good = "".join(f"+1415555{n:04},x\n" for n in range(300))
    bad = "".join(f"bad {n},x\n" for n in range(500))
    preview = await previewed(store, world, f"Mobile Number,Name\n{good}{bad}")
    assert (len(preview.sample), len(preview.faults)) == (ROWS_SHOWN_MAX, FAULTS_SHOWN_MAX)
    assert (preview.valid_count, preview.invalid_count) == (300, 500)


async def test_a_file_without_a_valid_row_is_answered(store: PostgresStore) -> None:
    preview = await previewed(store, await World.make(store), "Mobile Number\nnobody\n")
    assert (preview.valid_count, preview.invalid_count, preview.suppressed_count) == (0, 1, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("Name\nAda\n", "the column 'Mobile Number' is missing"),
        ('Mobile Number\n"+14155550101\n', "a quote that opens in this record is never closed"),
    ],
)
async def test_what_is_no_list_is_refused_as_by_the_upload(store: PostgresStore, text: str, said: str) -> None:
    with pytest.raises(UploadRefused) as caught:
        await previewed(store, await World.make(store), text)
    assert said in caught.value.message


async def test_the_stage_is_gone_with_its_transaction(store: PostgresStore) -> None:
    world = await World.make(store)
    for _ in range(2):
        await previewed(store, world, "Mobile Number\n+14155550101\n")
    async with store.transaction() as tx:
        assert await tx.connection.fetchval("SELECT to_regclass('suppression_stage')") is None
