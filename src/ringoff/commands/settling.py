"""Following a receipt until it is settled: the order was carried out before, whatever happens to the looking on."""

from typing import Final

from ringoff.client import ClientError, RingoffClient
from ringoff.commands.desk import Desk, wait
from ringoff.commands.receipts import Receipt, read_receipt

CARRIED_OUT: Final = "The order is carried out and holds: no covered call is dialled any more."

_LOOK_EVERY_S: Final = 0.2
_LOOK_LATER_EVERY_S: Final = 1.0
_QUICK_LOOKS: Final = 50
_FAILURES_MAX: Final = 5


def follow(api: RingoffClient, receipt: Receipt, desk: Desk, expected: int | None) -> Receipt:
    """The newest receipt that could be had, settled unless somebody interrupts or the server goes away.

    ``expected`` is how many calls will be cancelled, as far as that is known.
    """
    termination_id, failures, looks = receipt["termination_id"], 0, 0
    try:
        with desk.bar() as bars:
            task = bars.add_task("settling", total=expected)
            while receipt["state"] != "settled":
                wait(_LOOK_EVERY_S if looks < _QUICK_LOOKS else _LOOK_LATER_EVERY_S)
                looks += 1
                try:
                    receipt, failures = read_receipt(api, termination_id), 0
                except ClientError as error:
                    failures += 1
                    if failures == _FAILURES_MAX:
                        desk.note(f"{CARRIED_OUT} Its settling cannot be followed: {error.message}")
                        return receipt
                bars.update(task, completed=_done(receipt))
            done = _done(receipt)
            bars.update(task, description="settled", completed=max(done, 1), total=max(done, 1))
    except KeyboardInterrupt:
        desk.note(f"{CARRIED_OUT} Only the looking on was interrupted.")
    return receipt


def _done(receipt: Receipt) -> int:
    counts = receipt["counts"]
    done: int = counts["cancelled"] + counts["hung_up"]
    return done
