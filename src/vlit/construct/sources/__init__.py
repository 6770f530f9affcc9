"""Annotation sources in their published formats, merged per image (paper section 4.2.1)."""

from vlit.construct.sources.image import AnnotatedObject, Box, ImageAnnotations, Word
from vlit.construct.sources.read import EXTRA, FILES, SOURCES, read_annotations

__all__ = ["EXTRA", "FILES", "SOURCES", "AnnotatedObject", "Box", "ImageAnnotations", "Word", "read_annotations"]
