"""What a PromQL expression names: metrics, the labels they are matched by, the labels that results keep."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<duration>\d+(?:\.\d+)?(?:ms|[smhdwy])\b)
    |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE,
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_AFTER_A_FUNCTION = {"(", "by", "without"}
_WORDS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label."""

    label: str
    sign: str
    text: str


@dataclass(slots=True)
class Named:
    """All that one expression names."""

    selectors: list[tuple[str, list[Matcher]]]
    """Metrics with their conditions, in order."""
    grouped_by: set[str]


def named_in(expression: str) -> Named:
    """Raises ``ValueError`` or ``IndexError`` for what cannot be PromQL; arithmetic and functions are not judged."""
    tokens = _tokens(expression)
    named = Named([], set())
    position = 0
    depth: list[str] = []
    while position < len(tokens):
        kind, text = tokens[position]
        following = tokens[position + 1][1] if position + 1 < len(tokens) else ""
        if kind == "name" and text in _GROUPING:
            if following == "(":
                position = _labels(tokens, position + 2, named)
                continue
        elif kind == "name" and text not in _WORDS and following not in _AFTER_A_FUNCTION:
            position = _selector(tokens, position, named)
            continue
        elif text in "([{":
            depth.append({"(": ")", "[": "]", "{": "}"}[text])
        elif text in ")]}" and (not depth or depth.pop() != text):
            raise ValueError(f"{text} closes nothing in {expression}")
        position += 1
    if depth:
        raise ValueError(f"{depth[-1]} is missing in {expression}")
    return named


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(expression):
        found = _TOKEN.match(expression, position)
        if found is None or found.lastgroup is None:
            raise ValueError(f"no PromQL at {position}: {expression[position:]}")
        if found.lastgroup != "space":
            tokens.append((found.lastgroup, found[0]))
        position = found.end()
    return tokens


def _labels(tokens: list[tuple[str, str]], position: int, named: Named) -> int:
    while tokens[position][1] != ")":
        kind, text = tokens[position]
        if kind == "name":
            named.grouped_by.add(text)
        elif text != ",":
            raise ValueError(f"{text} among labels")
        position += 1
    return position + 1


def _selector(tokens: list[tuple[str, str]], position: int, named: Named) -> int:
    metric, matchers = tokens[position][1], list[Matcher]()
    named.selectors.append((metric, matchers))
    position += 1
    if position < len(tokens) and tokens[position][1] == "{":
        position += 1
        while tokens[position][1] != "}":
            if tokens[position][1] == ",":
                position += 1
                continue
            (_, label), (_, sign), (kind, text) = tokens[position : position + 3]
            if kind != "text" or sign not in {"=", "=~", "!=", "!~"}:
                raise ValueError(f"{label} {sign} {text} is no condition")
            matchers.append(Matcher(label, sign, text[1:-1]))
            position += 3
        position += 1
    return position
