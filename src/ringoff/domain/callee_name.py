"""The first name in a full name, as an agent says it: titles left out, nothing invented."""

import re
from typing import Final

_TITLE: Final = re.compile(
    r"(?:mr|mrs|ms|miss|mx|dr|prof|sir|madam|mme|shri|sri|shree|smt|kum|kumari|herr|frau|sr|sra)\.?", re.IGNORECASE
)


def first_name(full_name: str) -> str:
    """The first word that is no title; after a comma, if there is one (``Rao, Asha``). A lone title stays.

    >>> first_name("Dr. Asha Rao")
    'Asha'
    """
    family_last = " ".join(reversed(full_name.split(",", maxsplit=1)))
    words = family_last.split()
    named = [word for word in words if not _TITLE.fullmatch(word)]
    return (named or words or [full_name])[0]
