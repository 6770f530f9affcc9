"""The files of the dataset."""

from vlit.construct.write.dataset import MANIFEST, write_dataset

__all__ = ["MANIFEST", "write_dataset"]
