"""The broadcaster: one reading a tick for all tabs, the newest for whoever is slow, nothing for nobody."""

import asyncio

import pytest

from ringoff.dashboard import live as live_pages
from ringoff.dashboard.live import NO_MORE, STREAMS_MAX, STREAMS_OF_GROUP_MAX, Broadcaster, event
from ringoff.domain.errors import DatabaseUnavailable, TooLarge
from tests.dashboard.visitor import Visitor
from tests.support.virtual_clock import VirtualClock


class Figures:
    """Something to show, and how often it was read."""

    def __init__(self) -> None:
        self.read_count = 0
        self.words = "one"
        self.failure: Exception | None = None

    async def render(self) -> str:
        self.read_count += 1
        if self.failure is not None:
            raise self.failure
        return self.words


async def test_all_tabs_share_one_reading() -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    async with (
        live.subscribed("a", figures.render) as one,
        live.subscribed("a", figures.render) as two,
        live.subscribed("b", figures.render) as other,
    ):
        await live.tick()
        assert figures.read_count == 2, "once for each topic"
        assert one.get_nowait() is two.get_nowait(), "the very same bytes"
        assert other.get_nowait() == b"data: one\n\n"


async def test_what_has_not_changed_is_not_told_again() -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    async with live.subscribed("a", figures.render) as tab:
        await live.tick()
        tab.get_nowait()
        await live.tick()
        assert tab.empty()
        figures.words = "two"
        await live.tick()
        assert tab.get_nowait() == b"data: two\n\n"


async def test_a_process_that_stops_ends_its_streams() -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    async with live.subscribed("a", figures.render) as slow:
        await live.tick()
        live.close()
        await live.tick()
        assert (slow.get_nowait(), slow.empty()) == (NO_MORE, True)
    async with live.subscribed("a", figures.render) as late:
        assert late.get_nowait() == NO_MORE


async def test_a_topic_that_hangs_is_named_and_the_others_go_on() -> None:
    live, figures = Broadcaster(VirtualClock(), render_s=0.01), Figures()

    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    async with live.subscribed("hangs", hang) as stuck, live.subscribed("a", figures.render) as tab:
        await live.tick()
        assert stuck.get_nowait().startswith(b"event: trouble\n")
        assert tab.get_nowait() == b"data: one\n\n"


async def test_a_slow_tab_gets_the_newest_only_and_a_new_one_at_once() -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    async with live.subscribed("a", figures.render) as slow:
        for figures.words in ("one", "two", "three"):
            await live.tick()
        assert slow.qsize() == 1
        assert slow.get_nowait() == b"data: three\n\n"
        async with live.subscribed("a", figures.render) as new:
            assert new.get_nowait() == b"data: three\n\n"


async def test_nobody_looks_and_nothing_is_read() -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    async with live.subscribed("a", figures.render):
        pass
    await live.tick()
    assert figures.read_count == 0


async def test_a_failure_is_told_and_takes_no_other_topic_with_it() -> None:
    live, broken, crashed, well = Broadcaster(VirtualClock()), Figures(), Figures(), Figures()
    broken.failure = DatabaseUnavailable("the database does not answer")
    crashed.failure = RuntimeError("a mistake of ours")
    async with (
        live.subscribed("broken", broken.render) as told,
        live.subscribed("crashed", crashed.render) as silent,
        live.subscribed("well", well.render) as tab,
    ):
        await live.tick()
        assert told.get_nowait() == b"event: trouble\ndata: the database does not answer\n\n"
        assert silent.empty()
        assert tab.get_nowait() == b"data: one\n\n"


async def test_the_loop_reads_once_a_tick() -> None:
    clock = VirtualClock()
    live, figures = Broadcaster(clock, every_s=1.0), Figures()
    async with live.subscribed("a", figures.render) as tab:
        task = asyncio.ensure_future(live.run())
        for words in ("one", "two"):
            figures.words = words
            await clock.advance(1.1)
            assert await tab.get() == event(words)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_page_too_many_is_refused_before_its_answer_begins(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_pages, "STREAMS_MAX", 0)
    page = await visitor.get("/events/overview", status=413)
    assert "can be kept live at once" in page.text


@pytest.mark.parametrize(("group", "count"), [("ours", STREAMS_OF_GROUP_MAX), ("somebody else", STREAMS_MAX)])
async def test_too_many_open_pages_are_refused(group: str, count: int) -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    live._count_by_group[group] = count
    with pytest.raises(TooLarge):
        async with live.subscribed("a", figures.render, "ours"):
            pass


async def test_a_workspace_with_too_many_pages_takes_none_from_another() -> None:
    live, figures = Broadcaster(VirtualClock()), Figures()
    live._count_by_group["theirs"] = STREAMS_OF_GROUP_MAX
    async with live.subscribed("a", figures.render, "ours"):
        assert live._count_by_group["ours"] == 1
    assert "ours" not in live._count_by_group


def test_a_line_of_content_is_a_line_of_the_event() -> None:
    assert event("a\nb\r\nc") == b"data: a\ndata: b\ndata: c\n\n"
    assert event("") == b"data: \n\n"
