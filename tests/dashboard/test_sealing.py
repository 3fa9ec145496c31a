"""Numbers in addresses: readable by their session only, and by nobody who looks at them."""

from base64 import urlsafe_b64decode

import pytest

from ringoff.dashboard.sealing import NumberSeal

NUMBERS = ("+123456", "+14155550101", "+14155550102", "+442071838750", "+123456789012345")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_comes_out_as_it_went_in(number: str) -> None:
    seal = NumberSeal("token")
    sealed = seal.seal(number)
    assert seal.opened(sealed) == number
    assert seal.seal(number) == sealed, "an address stays the same while a page is looked at"
    assert NumberSeal("another").opened(sealed) is None
    assert sealed.replace("-", "").replace("_", "").isalnum(), "as it may stand in an address"


def test_two_numbers_share_nothing() -> None:
    one, other = (urlsafe_b64decode(NumberSeal("token").seal(number) + "==")[16:] for number in NUMBERS[1:3])
    assert len(one) == len(other)
    mixed = bytes(a ^ b for a, b in zip(one, other, strict=True))
    # Hidden by the same bytes, all but the last digits would cancel each other out.
    assert mixed[:11] != bytes(11)


def test_what_was_changed_is_nothing() -> None:
    seal = NumberSeal("token")
    sealed = seal.seal(NUMBERS[1])
    for at in range(len(sealed)):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        assert seal.opened(changed) in {None, NUMBERS[1]}, "the last character has bits that say nothing"
        assert seal.opened(sealed[:at]) is None
    for text in ("", "=", "é", "\x00", sealed + "AAAA", "A" * 1_000):
        assert seal.opened(text) is None
