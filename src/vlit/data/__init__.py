"""Readers of the datasets, one `Sample` type, equal-size subsets, prompt templates, labels and batches.

What needs torch is imported by its module: `vlit.data.dataset`, `vlit.data.collate`, `vlit.data.sampler`.
"""

from vlit.data.encode import IGNORED, Encoded, Encoder, NoSupervisedToken, UnusableText
from vlit.data.images import Base64Image, FileImage, ZipImage
from vlit.data.rejects import Rejects
from vlit.data.sample import ImageSource, Sample, Turn
from vlit.data.subset import KeptIds, equal_size, fingerprint, read_kept, sample_ids, select, write_kept
from vlit.data.templates import TEMPLATES, Piece, Template

__all__ = [
    "IGNORED",
    "TEMPLATES",
    "Base64Image",
    "Encoded",
    "Encoder",
    "FileImage",
    "ImageSource",
    "KeptIds",
    "NoSupervisedToken",
    "Piece",
    "Rejects",
    "Sample",
    "Template",
    "Turn",
    "UnusableText",
    "ZipImage",
    "equal_size",
    "fingerprint",
    "read_kept",
    "sample_ids",
    "select",
    "write_kept",
]
