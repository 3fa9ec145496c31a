"""Phone numbers against libphonenumber itself, over the plans of every calling code."""

import random

import phonenumbers
import pytest
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from ringoff.domain.errors import InvalidInput
from ringoff.domain.phone_number import (
    NumberNormalizer,
    Validation,
    calling_code,
    has_e164_shape,
    is_e164,
    mask,
    require_e164,
)

DIGITS = "0123456789"


def by_the_library(text: str, region: str | None) -> str | None:
    """The number in E.164 if it is possible, by libphonenumber alone."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return written if has_e164_shape(written) else None


def examples_of(code: int) -> set[str]:
    """Real numbers of a calling code, of every type and region."""
    found = [phonenumbers.example_number_for_non_geo_entity(code)]
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        if region != "001":
            found += [phonenumbers.example_number_for_type(region, kind) for kind in PhoneNumberType.values()]
    return {phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in found if number is not None}


def mutations(rng: random.Random, number: str, fixed: int, count: int) -> list[str]:
    """Other digits and other lengths behind the first ``fixed`` characters."""
    made = []
    for _ in range(count):
        national = list(number[fixed:])
        for _ in range(rng.randrange(3)):
            national[rng.randrange(len(national))] = rng.choice(DIGITS)
        change = rng.randrange(-3, 4)
        national = national[:change] if change < 0 else national + rng.choices(DIGITS, k=change)
        if rng.random() < 0.3:
            national.insert(0, rng.choice("0189"))
        made.append(number[:fixed] + "".join(national))
    return made


def test_e164_agrees_with_the_library_for_every_calling_code() -> None:
    rng = random.Random(20260301)
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        prefix = f"+{code}"
        numbers = sorted(examples_of(code))
        for number in numbers:
            assert is_e164(number), number
        mutated = [text for number in numbers[:12] for text in mutations(rng, number, len(prefix), 4)]
        plain = [prefix + "".join(rng.choices(DIGITS, k=length)) for length in range(2, 15)]
        for text in (*mutated, *plain):
            expected = has_e164_shape(text) and by_the_library(text, None) == text
            assert is_e164(text) is expected, text


@pytest.mark.parametrize("region", ["IN", "US", "GB", "DE", "IT", "BR", "MX", "AR", "RU", "CI", "SG", "HU", "CA", "KZ"])
def test_national_spellings_agree_with_the_library(region: str) -> None:
    rng = random.Random(region)
    code = phonenumbers.country_code_for_region(region)
    national_prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
    normalizer = NumberNormalizer(region)
    for number in sorted(examples_of(code))[:12]:
        for text in mutations(rng, number, len(str(code)) + 1, 12):
            national = text[len(str(code)) + 1 :]
            for digits in (national, text[1:], national_prefix + national, f"011{text[1:]}"):
                if digits.startswith("00"):
                    continue  # always the international prefix here, whatever the region dials
                expected = by_the_library(digits, region)
                if expected is not None and by_the_library(expected, None) != expected:
                    expected = None  # a run of zeros, say, of which the library would take one more each time
                assert normalizer.normalize(digits) == expected, digits


@pytest.mark.parametrize(
    "text",
    [
        "", "+", "+1", "+91", "++14155550123", "+1415555012\uff13", "+1 4155550123", "+14155550123\n", "\n+14155550123",
        "+14155550123 ext 5", "tel:+14155550123", "+999123456789", "+0123456789", "+2101234567", "00447911123456",
        "+4407911123456", "+14155550123;phone-context=x", "+1415FLOWERS", "4155550123", "\uff0b14155550123",
        "+141555501", "+1415555012345",
    ],
)  # fmt: skip
def test_what_is_not_e164(text: str) -> None:
    assert not is_e164(text)
    with pytest.raises(InvalidInput) as refused:
        require_e164(text, "mobile_number", 3)
    assert (refused.value.field, refused.value.position) == ("mobile_number", 3)
    assert repr(text) in refused.value.message


def test_require_returns_the_number() -> None:
    assert require_e164("+919876543210", "mobile_number") == "+919876543210"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+919876543210", "+919876543210"),
        ("9876543210", "+919876543210"),
        ("9123456789", "+919123456789"),
        ("919876543210", "+919876543210"),
        ("09876543210", "+919876543210"),
        ("00919876543210", "+919876543210"),
        ("0091-98765-43210", "+919876543210"),
        ("+91 98765 43210", "+919876543210"),
        (" (0)98765/43210 ", "+919876543210"),
        ("98765\u00a043210", "+919876543210"),
        ("98765\u201143210", "+919876543210"),
        ("\u202a+91 98765 43210\u202c", "+919876543210"),
        ("\ufeff9876543210", "+919876543210"),
        ("98765.43210", "+919876543210"),
        ("+44 (0)7911 123456", "+447911123456"),
        ("+14155550123", "+14155550123"),
        ("", None),
        ("   ", None),
        ("-", None),
        ("abc", None),
        ("98765abc10", None),
        ("+91+9876543210", None),
        ("98765", None),
        ("+999123456789", None),
        ("9876543210, 9876543211", None),
        ("9876543210 ext 5", None),
        ("1" * 10_000, None),
        ("+" + "1" * 10_000, None),
        ("9.87654321E+09", None),
        ("\u0669\u0668\u0667\u0666\u0665\u0664\u0663\u0662\u0661\u0660", None),
    ],
)
def test_spellings_of_an_indian_upload(text: str, expected: str | None) -> None:
    assert NumberNormalizer("+91").normalize(text) == expected


@pytest.mark.parametrize(
    ("validation", "text", "expected"),
    [
        ("e164", "+999123456", "+999123456"),
        ("possible", "+999123456", None),
        ("possible", "+14150000000", "+14150000000"),
        ("valid", "+14150000000", None),
        ("valid", "98765 43210", "+919876543210"),
        ("valid", "+919876543210", "+919876543210"),
        ("e164", "+9", None),
        ("e164", "9876543210", "+919876543210"),
    ],
)
def test_the_three_strictnesses(validation: Validation, text: str, expected: str | None) -> None:
    assert NumberNormalizer("+91", validation).normalize(text) == expected


def test_a_calling_code_without_a_country_has_national_spellings_too() -> None:
    assert NumberNormalizer("+800").normalize("12345678") == "+80012345678"


def test_every_normalized_number_is_e164() -> None:
    rng = random.Random(7)
    normalizers = [NumberNormalizer(code) for code in ("+91", "+1", "GB", "+800")]
    for _ in range(3000):
        text = "".join(rng.choices("+0123456789 -()", k=rng.randrange(4, 18)))
        for normalizer in normalizers:
            number = normalizer.normalize(text)
            assert number is None or is_e164(number), (text, number)
            assert number is None or normalizer.normalize(number) == number


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("+91", 91), ("91", 91), ("IN", 91), ("in", 91), (" +1 ", 1), ("US", 1), ("CA", 1), ("+800", 800),
        ("", None), ("+", None), ("+0", None), ("+999", None), ("XX", None), ("001", None), ("0091", None),
        ("+9 1", None), ("India", None), ("+\uff19\uff11", None),
    ],
)  # fmt: skip
def test_calling_codes(given: str, code: int | None) -> None:
    assert calling_code(given) == code
    if code is None:
        with pytest.raises(InvalidInput) as refused:
            NumberNormalizer(given)
        assert refused.value.field == "country_code"


@pytest.mark.parametrize(
    ("number", "masked"),
    [("+918812345697", "+9188…97"), ("+1415555", "+14…"), ("", "…")],
)
def test_masked_for_the_log(number: str, masked: str) -> None:
    assert mask(number) == masked


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("919876541001.0", "+919876541001"),
        ("9876541001.0", "+919876541001"),
        ("+919876541001.00", "+919876541001"),
        ("98765.41.001", "+919876541001"),
        ("9.19877E+11", None),
    ],
)
def test_a_spreadsheets_float_is_the_same_number_and_never_another(given: str, expected: str | None) -> None:
    assert NumberNormalizer("+91").normalize(given) == expected
