"""Instruction datasets out of annotations (paper section 4.2): read the sources, write conversations about them."""

from vlit.construct.annotations import SOURCES, AnnotatedObject, ImageAnnotations, Word, read_annotations
from vlit.construct.build import MiniDatasetsSpec, build_mini_datasets

__all__ = [
    "SOURCES",
    "AnnotatedObject",
    "ImageAnnotations",
    "MiniDatasetsSpec",
    "Word",
    "build_mini_datasets",
    "read_annotations",
]
