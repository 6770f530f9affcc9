"""From what a language model wrote to turns: parsing, the rules of the prompt, near-duplicates."""

from vlit.construct.parse.near_duplicates import first_alike
from vlit.construct.parse.reply import Parsed, Turn, Unparsable, parse_reply
from vlit.construct.parse.rules import Rules

__all__ = ["Parsed", "Rules", "Turn", "Unparsable", "first_alike", "parse_reply"]
