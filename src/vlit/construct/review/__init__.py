"""Looking through the data."""

from vlit.construct.review.page import write_page

__all__ = ["write_page"]
