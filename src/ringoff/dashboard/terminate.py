"""The page that ends calls: choose, see what it would cover, say why, give the order, land on its receipt."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import structlog
from starlette.responses import Response

from ringoff.api.errors import located
from ringoff.dashboard import order_form
from ringoff.dashboard.order_form import LEVELS, TYPED_COUNT_FROM, OrderForm
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Fields, Visit
from ringoff.domain.errors import Conflict, RingoffError
from ringoff.domain.termination import TerminationOrder
from ringoff.operations import receipts, terminations
from ringoff.operations.receipts import Preview
from ringoff.operations.targets import Offered, offered
from ringoff.operations.terminations import IdempotencyKey

PAGES = PageTable()
log = structlog.get_logger("ringoff.dashboard")
FAMILY: Final = "dashboard"
LOOK_S: Final = 3.0
"""How long counting may take before the order can be given without it: uploads may hold every connection but those that
are kept for orders, and nothing may stand between somebody and the switch."""
NOT_COUNTED: Final = "What it would end cannot be counted now. The order can be given all the same."


@PAGES.get("/terminate")
async def choose(visit: Visit) -> Response:
    """The form, filled in as far as the link says; with a selector in the link its preview is there at once."""
    form = order_form.read(Fields(visit.request.query_params.multi_items()))
    if form.is_empty:
        return await _show(visit, form, None, ())
    order, preview, complaints = await _looked_at(visit, form)
    return await _show(visit, form, preview, complaints, order=order)


@PAGES.post("/terminate/preview")
async def preview_part(visit: Visit) -> Response:
    """What the form as it stands now would end; asked for by a script while somebody types."""
    form = order_form.read(await visit.fields())
    order, preview, complaints = (None, None, ()) if form.is_empty else await _looked_at(visit, form)
    shown = _seen(form, order, preview)
    return visit.show("terminate_preview.html", form=shown, preview=preview, complaints=complaints, **_FIXED)


@PAGES.post("/terminate")
async def give(visit: Visit) -> Response:
    """The order; without a preview that was seen, the preview."""
    form = order_form.read(await visit.fields())
    order, complaints = order_form.order_of(form)
    if order is None:
        return await _show(visit, form, None, complaints, status=400)
    preview = await _counted(visit, order)
    why_not = order_form.count_complaint(form, order, None if preview is None else preview.terminable_count)
    if why_not is not None:
        words = [why_not] if why_not else [] if preview else [NOT_COUNTED]
        return await _show(visit, form, preview, words, order=order, status=400 if why_not else 200)
    return await _carry_out(visit, form, order, preview)


async def _carry_out(visit: Visit, form: OrderForm, order: TerminationOrder, preview: Preview | None) -> Response:
    key = IdempotencyKey(form.key, FAMILY, lambda receipt: str(receipt.termination_id)) if form.key else None
    try:
        observer = visit.dashboard.services.observer
        given = await terminations.terminate(visit.store, visit.principal, order, idempotency=key, observer=observer)
    except RingoffError as error:
        # A key that named another order: with it this form could never be given.
        shown = replace(form, key="") if isinstance(error, Conflict) else form
        return await _show(visit, shown, preview, [located(error)], order=order, status=status_of(error))
    return visit.go(f"/receipts/{given.termination_id}")


async def _looked_at(visit: Visit, form: OrderForm) -> tuple[TerminationOrder | None, Preview | None, Sequence[str]]:
    order, complaints = order_form.order_of(form)
    if order is None:
        return None, None, complaints
    preview = await _counted(visit, order)
    return order, preview, () if preview else [NOT_COUNTED]


async def _counted(visit: Visit, order: TerminationOrder) -> Preview | None:
    """What the order would find; None when the database does not say it in time."""
    try:
        async with asyncio.timeout(LOOK_S):
            # The database ends what nobody waits for any more: a page looks every two seconds.
            return await receipts.preview(visit.store, visit.principal, order, timeout_ms=round(LOOK_S * 1_000))
    except (RingoffError, TimeoutError) as error:
        log.warning("an order could not be previewed", reason=str(error))
        return None


async def _offered(visit: Visit) -> Offered:
    """What can be picked; nothing when the database does not say it in time, for an id can still be typed."""
    try:
        async with asyncio.timeout(LOOK_S):
            return await offered(visit.store, visit.principal)
    except (RingoffError, TimeoutError):
        return Offered((), {})


async def _show(
    visit: Visit,
    form: OrderForm,
    preview: Preview | None,
    complaints: Sequence[str],
    *,
    order: TerminationOrder | None = None,
    status: int = 200,
) -> Response:
    shown = _seen(replace(form, key=form.key or secrets.token_urlsafe(16)), order, preview)
    choice = await _offered(visit)
    return visit.show(
        "terminate.html", status, form=shown, preview=preview, complaints=complaints, offered=choice, **_FIXED
    )


def _seen(form: OrderForm, order: TerminationOrder | None, preview: Preview | None) -> OrderForm:
    """With the order and the count that its page shows: only this order, and about so many calls, may come back."""
    if order is None:
        return replace(form, shown_count="", shown_order="", typed_count="")
    shown_count = order_form.UNCOUNTED if preview is None else str(preview.terminable_count)
    return replace(form, shown_count=shown_count, shown_order=order_form.mark_of(order), typed_count="")


_FIXED: Final[dict[str, Any]] = {"levels": LEVELS, "typed_count_from": TYPED_COUNT_FROM}
