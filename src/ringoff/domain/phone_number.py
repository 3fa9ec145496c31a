"""Phone numbers: strict E.164, national spellings made E.164, and a masked form that may be logged.

What exists and how long it may be comes from libphonenumber's metadata. Its parser costs 20 microseconds a number;
an upload has a million. So each calling code is compiled once to the few facts that decide the common spellings,
and everything that those cannot decide for certain goes to the parser.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberFormat

from ringoff.domain.errors import InvalidInput

Validation = Literal["e164", "possible", "valid"]

_DIGITS_MIN: Final = 6
_FLOAT: Final = re.compile(r"^\s*(\+?[0-9]+)\.0+\s*$", re.ASCII)
_DIGITS_MAX: Final = 15
_SHAPE: Final = re.compile(r"\+[1-9][0-9]{5,14}")
_DIGITS: Final = re.compile(r"[0-9]{2,17}")
_COUNTRY_CODE: Final = re.compile(r"\+?([1-9][0-9]{0,2})")
_NON_GEOGRAPHIC: Final = "001"
_SHOWN_MAX: Final = 64

SEPARATORS: Final = dict.fromkeys(
    [
        *map(ord, " \t\r\n-.()/[]"),
        0x00A0, 0x00AD, 0x2007, 0x202F, 0x3000,  # spaces that do not break, wide space, soft hyphen
        *range(0x2000, 0x200B),  # typographic spaces
        *range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D,  # dashes and minus signs
        *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF,  # invisible marks
    ]
)  # fmt: skip
"""What people and spreadsheets put into numbers, and the invisible marks that come along when copying."""


ERASED: Final = "erased"
"""What stands where a number or a name stood before its person's data was erased."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the metadata says about the numbers of one calling code."""

    code: str
    lengths: frozenset[int]
    """Possible lengths of a national number that fit E.164; those only good locally are in, as in libphonenumber."""
    pattern: re.Pattern[str]
    """What a national number may look like."""
    national_prefix: re.Pattern[str] | None
    """What the parser may take off the front of a national number."""

    def keeps(self, national: str) -> bool:
        """Whether the parser surely leaves this national number as it is."""
        if self.national_prefix is None:
            return True
        found = self.national_prefix.match(national)
        return found is None or found.end() == 0


def has_e164_shape(text: str) -> bool:
    """Whether the text is ``+`` and 6 to 15 ASCII digits, the first not 0. Says nothing about existence."""
    return _SHAPE.fullmatch(text) is not None


def is_e164(text: str) -> bool:
    """Whether the text is a number in E.164: a calling code that exists, a length that is possible, nothing extra.

    The same as: libphonenumber parses it, calls it possible, and writes it as it was (``+4407…``, which keeps a
    national prefix, is therefore refused).
    """
    if _SHAPE.fullmatch(text) is None:
        return False
    plan = _plan_of(text[1:4])
    if plan is None:
        return False
    national = text[len(plan.code) + 1 :]
    if plan.keeps(national):
        return len(national) in plan.lengths
    return _parsed(text, None, "possible") == text


def require_e164(text: str, field: str, position: int | None = None) -> str:
    """Return the number; raise ``InvalidInput`` naming field, position and value unless it is E.164."""
    if is_e164(text):
        return text
    where = field if position is None else f"{field}[{position}]"
    raise InvalidInput(f"{where} is not an E.164 phone number: {text[:_SHOWN_MAX]!r}", field=field, position=position)


def calling_code(country_code: str) -> int | None:
    """The calling code meant by ``+91``, ``91`` or the region ``IN``; None when there is no such code."""
    text = country_code.strip()
    if found := _COUNTRY_CODE.fullmatch(text):
        code = int(found[1])
        return code if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE else None
    region = text.upper()
    if region.isascii() and region in phonenumbers.SUPPORTED_REGIONS:
        return phonenumbers.country_code_for_region(region)
    return None


def national_part(number: str) -> str | None:
    """What follows the calling code of an E.164 number; None when there is no such code."""
    plan = _plan_of(number[1:4])
    return None if plan is None else number[len(plan.code) + 1 :]


def mask(number: str) -> str:
    """The form for logs: ``+9188…97``. A number too short for that shows less, an erased one has nothing to hide."""
    if number == ERASED:
        return number
    return f"{number[:5]}…{number[-2:]}" if len(number) >= 10 else f"{number[:3]}…"


class NumberNormalizer:
    """Turns the spellings of one upload into E.164. ``country_code`` says where national spellings belong."""

    def __init__(self, country_code: str, validation: Validation = "possible") -> None:
        code = calling_code(country_code)
        if code is None:
            raise InvalidInput(
                f"country_code is neither a calling code nor a region: {country_code[:_SHOWN_MAX]!r}",
                field="country_code",
            )
        text = country_code.strip().upper()
        self._region = text if text.isalpha() else phonenumbers.region_code_for_country_code(code)
        self._prefix = f"+{code}"
        self._validation = validation
        metadata = _metadata(code, self._region)
        self._plan = _compile(code, metadata)
        idd = metadata.international_prefix
        self._idd = re.compile(idd) if idd else None

    def normalize(self, text: str) -> str | None:
        """The number in E.164, or None when it is none."""
        if _SHAPE.fullmatch(text) is None and _DIGITS.fullmatch(text) is None:
            # A spreadsheet's float is the same number; were its dot a separator, its zero would make it another.
            text = _FLOAT.sub(r"\1", text).translate(SEPARATORS)
        if text.startswith("00"):
            text = "+" + text[2:]
        if text.startswith("+"):
            return self._international(text)
        return self._national(text) if _DIGITS.fullmatch(text) else None

    def _international(self, text: str) -> str | None:
        if self._validation == "e164":
            return text if has_e164_shape(text) else None
        if self._validation == "possible" and is_e164(text):
            return text
        # Perhaps ``+44 (0) 7911 …``: the parser takes off what does not belong there.
        return self._with_parser(text, None) if _DIGITS.fullmatch(text, 1) else None

    def _national(self, digits: str) -> str | None:
        if self._validation != "valid" and (sure := self._without_parser(digits)) is not None:
            return sure
        if self._region == _NON_GEOGRAPHIC:
            return self._international(self._prefix + digits)
        return self._with_parser(digits, self._region)

    def _with_parser(self, text: str, region: str | None) -> str | None:
        number = _parsed(text, region, self._validation)
        if number is None or self._validation == "e164":
            return number
        # What the parser would change once more (a run of zeros, say) is no number.
        return number if is_e164(number) else None

    def _without_parser(self, digits: str) -> str | None:
        """Answer as the parser would, where that is certain without it."""
        plan = self._plan
        if not plan.keeps(digits) or (self._idd is not None and self._idd.match(digits)):
            return None
        if digits.startswith(plan.code) and plan.pattern.fullmatch(digits) is None:
            # A calling code without its plus, if what follows is a national number.
            national = digits[len(plan.code) :]
            surely = plan.keeps(national) and len(national) in plan.lengths and plan.pattern.fullmatch(national)
            return f"+{digits}" if surely else None
        return self._prefix + digits if len(digits) in plan.lengths else None


def _parsed(text: str, region: str | None, validation: Validation) -> str | None:
    """What libphonenumber makes of it."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    if not _passes(number, validation):
        return None
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return written if has_e164_shape(written) else None


def _passes(number: PhoneNumber, validation: Validation) -> bool:
    match validation:
        case "e164":
            return True
        case "possible":
            return phonenumbers.is_possible_number(number)
        case "valid":
            return phonenumbers.is_valid_number(number)


@cache
def _plan_of(three_digits: str) -> _Plan | None:
    """The plan of the calling code that these digits begin with. No code is the beginning of another."""
    for length in (1, 2, 3):
        code = int(three_digits[:length])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            region = phonenumbers.region_code_for_country_code(code)
            return _compile(code, _metadata(code, region))
    return None


def _metadata(code: int, region: str) -> PhoneMetadata:
    found = (
        PhoneMetadata.metadata_for_nongeo_region(code, None)
        if region == _NON_GEOGRAPHIC
        else PhoneMetadata.metadata_for_region(region, None)
    )
    if found is None:
        raise LookupError(f"no metadata for calling code {code}")
    return found


def _compile(code: int, metadata: PhoneMetadata) -> _Plan:
    general = metadata.general_desc
    if general is None:
        raise LookupError(f"no number description for calling code {code}")
    prefix = metadata.national_prefix_for_parsing
    longest = _DIGITS_MAX - len(str(code))
    return _Plan(
        code=str(code),
        lengths=frozenset(
            length
            for length in (*general.possible_length, *general.possible_length_local_only)
            if _DIGITS_MIN - len(str(code)) <= length <= longest
        ),
        pattern=re.compile(general.national_number_pattern or "(?!)"),
        national_prefix=re.compile(prefix) if prefix else None,
    )
