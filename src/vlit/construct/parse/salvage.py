"""Reads a conversation out of a reply that is not JSON, by its keys.

What lies between one key (`"User":`) and the next is a value, whatever quotes are missing, unescaped or of the wrong
kind; only where a value ends needs thought, as text may follow it.
"""

from __future__ import annotations

import re

from vlit.construct.parse.keyed import NAMES, Said, role_of

_NAMES = "|".join(name for names in NAMES.values() for name in names)
_CLOSING = {'"': '"', "'": "'", "“": "”", "”": "”", "‘": "’", "`": "`", "«": "»"}
_QUOTES = "\"'“”‘’`«»"
KEY = re.compile(
    rf"""
    (?P<before>\A|[\n{{,;\[}}{_QUOTES}(]|\*\*|\#\#)[ \t]*    # a key stands at a beginning, or after a value
    (?:[-*•][ \t]+|\d+[.)][ \t]+)?
    (?P<quote>[{_QUOTES}]?)(?:\*\*)?
    (?P<name>(?:{_NAMES})[ _\#-]{{0,2}}\d{{0,3}})
    (?:\*\*)?[{_QUOTES}]?(?:\*\*)?\s*(?::|：|=>|=)(?:\*\*)?\s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
CUT_KEY = rf"(?:[{_QUOTES}]?(?:U|Us|Use|User|A|AI)?[{_QUOTES}]?\s*)"  # where a reply broke off within a key
COMMENT = r"(?://[^\n]*\n\s*)?"
SPACE = " \t\r\n"
LONG_SPACE = re.compile(r"\s{9,}")  # models that have lost their way write thousands of line breaks
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\n", "b": "", "f": ""}
SENTENCE_END = (".", "!", "?", "。", "！", "？", '."', '!"', '?"', ".)")
DOUBLY_ESCAPED = re.compile(rf'\\"(?:{_NAMES})\\"\s*:', re.IGNORECASE)


def salvage(text: str) -> tuple[list[Said], list[str]]:
    """Return who says what, in order, and what was mended; nothing said if there is no key.

    An answer that breaks off within a sentence is left out.
    """
    repairs = ["read by its keys"]
    if DOUBLY_ESCAPED.search(text):
        text = text.replace('\\"', '"')
        repairs.append("escapes of the whole reply undone")
    keys = _keys(text := LONG_SPACE.sub("\n", text))
    said: list[Said] = []
    for number, key in enumerate(keys):
        last = number + 1 == len(keys)
        segment = text[key.end() : len(text) if last else keys[number + 1].start("quote")]
        value, complete = _value(segment, last, bool(key["quote"]))
        role = role_of(key["name"])
        if not complete and not value.endswith(SENTENCE_END):
            repairs.append("cut-off text dropped")
            continue
        said.append((role or "", value))
    return said, repairs


def _keys(text: str) -> list[re.Match[str]]:
    """The keys of a reply. One style throughout: with quoted keys, a bare `AI:` in a sentence is no key."""
    found = [match for match in KEY.finditer(text) if _is_key(match, text)]
    quoted = [match for match in found if match["quote"]]
    return quoted if quoted and found[0]["quote"] else [match for match in found if not match["quote"]] or found


def _is_key(match: re.Match[str], text: str) -> bool:
    """Whether a match stands where a key can; one-letter names count only as `Q:` and `A:` at the start of a line."""
    start_of_line = not text[text.rfind("\n", 0, match.start("name")) + 1 : match.start("name")].strip(" \t*#{[(-")
    if match["quote"]:
        return True
    if len(match["name"].rstrip("0123456789 _-#")) == 1:
        return start_of_line
    before = text[: match.start("name")].rstrip()
    return start_of_line or before.endswith(("{", "[", *_QUOTES)) or before.rstrip(",;").rstrip()[-1:] in set(_QUOTES)


def _value(segment: str, last: bool, quoted_keys: bool) -> tuple[str, bool]:
    """The value at the start of a segment, and whether it is complete."""
    closing = _CLOSING.get(segment[:1])
    if closing is None:  # a bare value
        return _bare(segment, last, quoted_keys), not (last and quoted_keys)
    body = segment[1:]
    if last:
        end = re.compile(rf"(?<!\\){closing}\s*(?:,?\s*[}}\])]|,?\s*{CUT_KEY}\Z|,?\s*\n\s*(?:```|\n|\Z)|;)")
    else:
        end = re.compile(rf"(?<!\\){closing}\s*(?:,?\s*[}}\])]|[,;]?\s*{COMMENT}[{{\[(*#\s]*\Z|\n\s*\n)")
    found = end.search(body)
    if found:
        return unescape(body[: found.start()]), True
    if not last:  # the closing quote is missing
        return unescape(body.rstrip(f"{SPACE},;{{[(")), True
    unfenced = body.rstrip(f"{SPACE}`")
    if unfenced.endswith(("}", "]", ")")):  # ... but the brace is there
        return unescape(unfenced.rstrip(f"{SPACE}}}])")), True
    after = list(re.finditer(rf"(?<!\\){closing}(?=\s*\n)", body))
    if after:  # other text follows on the next line
        return unescape(body[: after[0].start()]), True
    return unescape(body.rstrip(" \t\n\\`")), False


def _bare(segment: str, last: bool, quoted_keys: bool) -> str:
    """A value without quotes: to the next key, or the end of its paragraph."""
    value = segment if last else segment.rstrip(f"{SPACE},;{{}}[]*#(-")
    if not last and value.endswith(tuple(_QUOTES)):
        value = value[:-1]
    if last:
        value = re.split(r"\n\s*\n|\n```", value)[0]
        value = value.rstrip(f"{SPACE}}}]`")
    return unescape(value.strip().removesuffix(",") if quoted_keys else value.strip())


def unescape(text: str) -> str:
    r"""Undo JSON's and Python's escapes; an unknown one (`\s`) keeps its character."""

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else ESCAPED.get(code, code)

    return ESCAPE.sub(plain, text).strip()
