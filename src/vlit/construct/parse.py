"""Read a conversation out of a language model's reply, in the format the paper asks for (section A.2.2).

`{"User": "...", "AI": "...", "User": "...", "AI": "..."}` repeats its keys, so a JSON parser that makes a dictionary
keeps the last turn only. Well-formed replies are read by `read_keyed`, everything else by `salvage`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlit.data.sample import Turn


@dataclass(frozen=True)
class Parsed:
    """The turns of a reply, and the repairs that were needed to read them: none for a well-formed reply."""

    turns: tuple[Turn, ...]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unparsable:
    """No conversation could be read, and why."""

    reason: str


def parse_reply(text: str) -> Parsed | Unparsable:
    """Read the turns of a reply, repairing what can be repaired without guessing. Never raises.

    A question that is left without an answer at the end, or an answer that breaks off within a sentence, is dropped.
    Anything else that does not alternate is refused, as nobody knows which answer belongs to which question.
    """
    utterances = read_keyed(text)
    repairs: list[str] = []
    if utterances is None:
        utterances, repairs = salvage(text)
    if not utterances:
        return Unparsable("empty reply" if not text.strip() else "no conversation in the reply")
    cleaned = [(role, _clean(value)) for role, value in utterances]
    if any(clean != value.strip() for (_, clean), (_, value) in zip(cleaned, utterances, strict=True)):
        repairs.append("control characters removed")
    return _turns(cleaned, repairs)


def _turns(utterances: Sequence[Utterance], repairs: list[str]) -> Parsed | Unparsable:
    if utterances[0][0] == "AI":
        return Unparsable("starts with the AI")
    if utterances[-1][0] == "User":
        utterances = utterances[:-1]
        repairs = [*repairs, "question without an answer dropped"]
    if not utterances:
        return Unparsable("no answer")
    roles = [role for role, _ in utterances]
    if roles != ["User", "AI"] * (len(roles) // 2):
        return Unparsable("turns do not alternate")
    texts = [value for _, value in utterances]
    if not all(texts):
        return Unparsable("empty turn")
    turns = [Turn(question, answer) for question, answer in zip(texts[::2], texts[1::2], strict=True)]
    return Parsed(tuple(turns), tuple(repairs))


def _clean(value: str) -> str:
    """Remove control characters, lone surrogates (which UTF-8 cannot encode) and outer white space.

    No-break and narrow spaces, line separators and joiners stay: words and scripts depend on them.
    """
    encodable = value.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    return "".join(char for char in encodable if char in "\n\t" or unicodedata.category(char) != "Cc").strip()


Utterance = tuple[str, str]  # role, "User" or "AI", and text
ROLE_NAMES = {
    "User": ("user", "human", "question", "q"),
    "AI": ("ai", "assistant", "gpt", "chatgpt", "bot", "answer", "a"),
}
ROLE_OF = {name: role for role, names in ROLE_NAMES.items() for name in names}
DECODER = json.JSONDecoder(object_pairs_hook=list)
BETWEEN = re.compile(r"[\s,;]*")
FENCED = re.compile(r"\A\s*```[a-zA-Z]*\n(.*?)\n?```\s*\Z", re.DOTALL)
ROLE_KEYS = {"role", "from", "speaker"}
TEXT_KEYS = {"content", "value", "text"}


class _NoConversationError(Exception):
    """The JSON is not a conversation."""


def read_keyed(text: str) -> list[Utterance] | None:
    """Return the utterances in order if the whole text is JSON and a conversation; otherwise None.

    Accepts one object with repeated keys, a list of such objects, several of them one after another, any of these
    under another key, as a string in JSON, or in a code fence, and messages with a role and a content.
    """
    fenced = FENCED.match(text)
    text = (fenced[1] if fenced else text).strip()
    utterances: list[Utterance] = []
    position = 0
    try:
        while position < len(text):
            value, position = DECODER.raw_decode(text, position)
            utterances += _utterances(value)
            position = BETWEEN.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
    except (ValueError, RecursionError, _NoConversationError):
        return None
    return utterances or None


def role_of(name: object) -> str | None:
    """Return the role a key stands for ("User 2", "assistant" ...), or None."""
    return ROLE_OF.get(name.strip().lower().rstrip("0123456789").rstrip(" _-#")) if isinstance(name, str) else None


def _utterances(value: Any) -> list[Utterance]:
    if isinstance(value, str):
        inner = read_keyed(value)
        if inner is None:
            raise _NoConversationError
        return inner
    if not isinstance(value, list) or not value:
        raise _NoConversationError
    if not all(isinstance(item, tuple) for item in value):  # a list of objects, not an object
        return [utterance for item in value for utterance in _utterances(item)]
    keys = {key.lower() for key, _ in value}
    if keys & ROLE_KEYS and keys & TEXT_KEYS:
        return _message({key.lower(): content for key, content in value})
    if len(value) == 1 and role_of(value[0][0]) is None:
        return _utterances(value[0][1])
    return [_utterance(role_of(key), content) for key, content in value]


def _message(message: dict[str, Any]) -> list[Utterance]:
    role = next(message[key] for key in message if key in ROLE_KEYS)
    return [_utterance(role_of(role), next(message[key] for key in message if key in TEXT_KEYS))]


def _utterance(role: str | None, content: object) -> Utterance:
    if role is None or isinstance(content, list):
        raise _NoConversationError
    return role, content if isinstance(content, str) else json.dumps(content) if content is not None else ""


_NAMES = "|".join(name for names in ROLE_NAMES.values() for name in names)
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
LONG_SPACE = re.compile(r"\s{9,}")  # degenerate replies repeat line breaks by the thousand
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\n", "b": "", "f": ""}
SENTENCE_END = (".", "!", "?", "。", "！", "？", '."', '!"', '?"', ".)")
DOUBLY_ESCAPED = re.compile(rf'\\"(?:{_NAMES})\\"\s*:', re.IGNORECASE)


def salvage(text: str) -> tuple[list[Utterance], list[str]]:
    """Return the utterances in order and the repairs; no utterance if there is no key.

    An answer that breaks off within a sentence is left out.
    """
    repairs = ["read by its keys"]
    if DOUBLY_ESCAPED.search(text):
        text = text.replace('\\"', '"')
        repairs.append("escapes of the whole reply undone")
    keys = _keys(text := LONG_SPACE.sub("\n", text))
    utterances: list[Utterance] = []
    for number, key in enumerate(keys):
        last = number + 1 == len(keys)
        segment = text[key.end() : len(text) if last else keys[number + 1].start("quote")]
        value, complete = _value(segment, last, bool(key["quote"]))
        role = role_of(key["name"])
        if not complete and not value.endswith(SENTENCE_END):
            repairs.append("cut-off text dropped")
            continue
        utterances.append((role or "", value))
    return utterances, repairs


def _keys(text: str) -> list[re.Match[str]]:
    """Find the keys of a reply. One style throughout: with quoted keys, a bare `AI:` in a sentence is no key."""
    found = [match for match in KEY.finditer(text) if _is_key(match, text)]
    quoted = [match for match in found if match["quote"]]
    return quoted if quoted and found[0]["quote"] else [match for match in found if not match["quote"]] or found


def _is_key(match: re.Match[str], text: str) -> bool:
    """Return whether a match stands where a key can; one-letter names only as `Q:` and `A:` at the start of a line."""
    start_of_line = not text[text.rfind("\n", 0, match.start("name")) + 1 : match.start("name")].strip(" \t*#{[(-")
    if match["quote"]:
        return True
    if len(match["name"].rstrip("0123456789 _-#")) == 1:
        return start_of_line
    before = text[: match.start("name")].rstrip()
    return start_of_line or before.endswith(("{", "[", *_QUOTES)) or before.rstrip(",;").rstrip()[-1:] in set(_QUOTES)


def _value(segment: str, last: bool, quoted_keys: bool) -> tuple[str, bool]:
    """Return the value at the start of a segment, and whether it is complete."""
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
    """Return a value without quotes: to the next key, or the end of its paragraph."""
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
