"""A journal of orders away from the database, and the same orders again after a restore to an earlier time.

    python examples/order_journal.py keep orders.jsonl
    python examples/order_journal.py give-again orders.jsonl --from 2026-11-26T05:00:00Z

`keep` adds the orders that are not in the file yet: run it every minute, on another machine, with a key of each
workspace. `give-again` gives all orders since an instant, in their order, each under an Idempotency-Key of its own, so
that it may be run twice. RINGOFF_URL and RINGOFF_API_KEY say which server. See docs/backup.md.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ringoff.client import ClientError, NothingTerminable, RingoffClient

Order = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    with RingoffClient(os.environ["RINGOFF_URL"], os.environ["RINGOFF_API_KEY"]) as client:
        if arguments.what == "keep":
            kept = keep(client, arguments.file)
            print(f"{kept} orders more are in {arguments.file}")
            return
        failed = give_again(client, arguments.file, arguments.since)
    sys.exit(1 if failed else 0)


def keep(client: RingoffClient, file: Path) -> int:
    """The newest come first, so the walk ends at the first that is known."""
    known = {order["termination_id"] for order in kept_in(file)}
    new: list[Order] = []
    for receipt in client.native.terminations.list():
        if receipt.termination_id in known:
            break
        # Without a key: a campaign met its end time. It will meet it again.
        if receipt.api_key is not None:
            new.append(
                {
                    "termination_id": receipt.termination_id,
                    "created_at": receipt.created_at,
                    "selector": receipt.selector,
                    "reason": receipt.reason,
                    "ongoing": receipt.ongoing,
                    "suppress": receipt.suppress,
                }
            )
    with file.open("a", encoding="utf-8") as lines:
        for order in reversed(new):
            lines.write(json.dumps(order) + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    return len(new)


def give_again(client: RingoffClient, file: Path, since: datetime) -> int:
    """How many could not be given. One that finds nothing is no failure: its calls are not in this database."""
    failed = 0
    for order in kept_in(file):
        if datetime.fromisoformat(order["created_at"]) < since:
            continue
        given = {name: value for name, value in order["selector"].items() if value is not None}
        try:
            done = client.native.terminations.give(
                **given,
                reason=order["reason"],
                ongoing=order["ongoing"],
                suppress=order["suppress"],
                idempotency_key=f"again-{order['termination_id']}",
            )
        except NothingTerminable:
            print(f"{order['termination_id']} of {order['created_at']}: nothing is left to end")
        except ClientError as error:
            failed += 1
            print(f"{order['termination_id']} of {order['created_at']}: FAILED: {error}")
        else:
            print(f"{order['termination_id']} of {order['created_at']}: given again as {done.termination_id}")
    return failed


def kept_in(file: Path) -> Iterator[Order]:
    """A line that a crash cut short is left out; its order will be kept again."""
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            print(f"a line of {file} is broken: {line[:40]}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("keep").add_argument("file", type=Path)
    again = commands.add_parser("give-again")
    again.add_argument("file", type=Path)
    again.add_argument("--from", dest="since", type=datetime.fromisoformat, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
