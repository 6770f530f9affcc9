"""Gets the public files: COCO 2014 and its annotations."""

from vlit.construct.fetch.download import Published, download
from vlit.construct.fetch.run import fetch, plan

__all__ = ["Published", "download", "fetch", "plan"]
