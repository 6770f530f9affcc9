"""Instruction datasets out of annotations (paper section 4.2): read the sources, write conversations about them."""

from vlit.construct.build import MiniDatasetsSpec, build_mini_datasets
from vlit.construct.doses import build_dose
from vlit.construct.sources import SOURCES, AnnotatedObject, ImageAnnotations, Word, read_annotations

__all__ = [
    "SOURCES",
    "AnnotatedObject",
    "ImageAnnotations",
    "MiniDatasetsSpec",
    "Word",
    "build_dose",
    "build_mini_datasets",
    "read_annotations",
]
