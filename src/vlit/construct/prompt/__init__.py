"""What a language model is asked: system prompts, in-context examples, and a request for each image."""

from vlit.construct.prompt.examples import Example
from vlit.construct.prompt.requests import Request, RequestSpec, make_requests
from vlit.construct.prompt.variant import Variant

__all__ = ["Example", "Request", "RequestSpec", "Variant", "make_requests"]
