"""Has a language model answer requests; every answer is kept on disk by the content of its request."""

from vlit.construct.generate.cache import ReplyCache
from vlit.construct.generate.reply import Asked, Generator, Price, Reply, key_of

__all__ = ["Asked", "Generator", "Price", "Reply", "ReplyCache", "key_of"]
