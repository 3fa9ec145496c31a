"""What both families of termination routes share: the Idempotency-Key, and the headers of an answer."""

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec

from ringoff.api.routing import Answer, AnswerHeader
from ringoff.domain.records import Receipt
from ringoff.domain.termination import IDEMPOTENCY_KEY_LENGTH_MAX
from ringoff.operations.terminations import GivenOrder, IdempotencyKey

T = TypeVar("T")

TERMINATION_ID_HEADER: Final = "X-Termination-Id"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
ANSWER_HEADERS: Final = {
    TERMINATION_ID_HEADER: AnswerHeader("Names the receipt of the order."),
    REPLAYED_HEADER: AnswerHeader(
        "`true`: this is the first answer again, nothing was done now.", is_always_there=False
    ),
}


class OrderHeaders(msgspec.Struct, rename={"idempotency_key": "Idempotency-Key"}):
    """The client's own name for this order: sent again within 24 hours, it brings the first answer back."""

    idempotency_key: (
        Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": IDEMPOTENCY_KEY_LENGTH_MAX})] | None
    ) = None

    def idempotency(self, family: str, answer: Callable[[Receipt], Any]) -> IdempotencyKey | None:
        """The key for the operation, if there is one."""
        return None if self.idempotency_key is None else IdempotencyKey(self.idempotency_key, family, answer)


def order_answer(content: T, given: GivenOrder) -> Answer[T]:
    """The answer with the order's id, and whether it is a replay."""
    headers = {TERMINATION_ID_HEADER: str(given.termination_id)}
    if given.is_replayed:
        headers[REPLAYED_HEADER] = "true"
    return Answer(content, headers)
