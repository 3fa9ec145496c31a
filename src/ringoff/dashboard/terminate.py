"""The page that ends calls: choose, see what it would cover, say why, give the order, land on its receipt."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

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
from ringoff.operations.targets import offered
from ringoff.operations.terminations import IdempotencyKey

PAGES = PageTable()
FAMILY: Final = "dashboard"


@PAGES.get("/terminate")
async def choose(visit: Visit) -> Response:
    """The form, filled in as far as the link says; with a selector in the link its preview is there at once."""
    form = order_form.read(Fields(visit.request.query_params.multi_items()))
    if form.is_empty:
        return await _show(visit, form, None, ())
    preview, complaints = await _previewed(visit, form)
    return await _show(visit, form, preview, complaints)


@PAGES.post("/terminate/preview")
async def preview_part(visit: Visit) -> Response:
    """What the form as it stands now would end; asked for by a script while somebody types."""
    form = order_form.read(await visit.fields())
    preview, complaints = (None, ()) if form.is_empty else await _previewed(visit, form)
    shown = _seen(form, preview)
    return visit.show("terminate_preview.html", form=shown, preview=preview, complaints=complaints, **_FIXED)


@PAGES.post("/terminate")
async def give(visit: Visit) -> Response:
    """The order; without a preview that was seen, the preview."""
    form = order_form.read(await visit.fields())
    order, complaints = order_form.order_of(form)
    if order is None:
        return await _show(visit, form, None, complaints, status=400)
    preview = await receipts.preview(visit.store, visit.principal, order)
    why_not = order_form.count_complaint(form, order, preview.terminable_count)
    if why_not is not None:
        return await _show(visit, form, preview, [why_not] if why_not else (), status=400 if why_not else 200)
    return await _carry_out(visit, form, order, preview)


async def _carry_out(visit: Visit, form: OrderForm, order: TerminationOrder, preview: Preview) -> Response:
    key = IdempotencyKey(form.key, FAMILY, lambda receipt: str(receipt.termination_id)) if form.key else None
    try:
        observer = visit.dashboard.services.observer
        given = await terminations.terminate(visit.store, visit.principal, order, idempotency=key, observer=observer)
    except Conflict as error:
        # The key named another order. With that key this form could never be given.
        return await _show(visit, replace(form, key=""), preview, [located(error)], status=status_of(error))
    except RingoffError as error:
        return await _show(visit, form, preview, [located(error)], status=status_of(error))
    return visit.go(f"/receipts/{given.termination_id}")


async def _previewed(visit: Visit, form: OrderForm) -> tuple[Preview | None, Sequence[str]]:
    order, complaints = order_form.order_of(form)
    if order is None:
        return None, complaints
    try:
        return await receipts.preview(visit.store, visit.principal, order), ()
    except RingoffError as error:
        return None, [located(error)]


async def _show(
    visit: Visit, form: OrderForm, preview: Preview | None, complaints: Sequence[str], *, status: int = 200
) -> Response:
    shown = _seen(replace(form, key=form.key or secrets.token_urlsafe(16)), preview)
    choice = await offered(visit.store, visit.principal)
    return visit.show(
        "terminate.html", status, form=shown, preview=preview, complaints=complaints, offered=choice, **_FIXED
    )


def _seen(form: OrderForm, preview: Preview | None) -> OrderForm:
    """With the order and the count that its page shows: only this order, and about so many calls, may come back."""
    if preview is None:
        return replace(form, shown_count="", shown_order="", typed_count="")
    shown_order = order_form.mark_of(preview.order)
    return replace(form, shown_count=str(preview.terminable_count), shown_order=shown_order, typed_count="")


_FIXED: Final[dict[str, Any]] = {"levels": LEVELS, "typed_count_from": TYPED_COUNT_FROM}
