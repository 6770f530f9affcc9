"""From what a language model wrote to turns: parsing, the rules of the prompt, near-duplicates."""

from vlit.construct.parse.reply import Parsed, Turn, Unparsable, parse_reply

__all__ = ["Parsed", "Turn", "Unparsable", "parse_reply"]
