"""COCO Attributes (Patterson & Hays, 2016): which of some 200 attributes the instances of COCO have.

Published is a pickle written by joblib, `cocottributes_eccv_version.jbl`. A pickle can name any function to be called
when it is read, so ours admits arrays and plain values only. A JSON file with the same content is read as well.
"""

from __future__ import annotations

import importlib
import io
import pickle
from pathlib import Path
from typing import Any

MAJORITY = 0.5  # of the workers say yes
OLD_FORMAT = b"ZF"  # of joblib before 0.10, in which the published file is
ADMITTED = {  # what a file of dictionaries, strings and number arrays needs, under its old and new names
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


def attributes(content: dict[str, Any]) -> dict[int, tuple[str, ...]]:
    """Attribute names by instance id. A vector holds the workers' share of yes votes, in the order of attribute ids."""
    names = [attribute["name"] for attribute in sorted(content["attributes"], key=lambda attribute: attribute["id"])]
    return {
        int(content["patch_id_to_ann_id"][patch]): tuple(
            name for name, vote in zip(names, vector, strict=True) if vote > MAJORITY
        )
        for patch, vector in content["ann_vecs"].items()
    }


def read_joblib(path: Path) -> dict[str, Any]:
    """Read the published file without running any code it names; joblib's old format and its present one.

    Raises:
        ValueError: if it names anything but arrays and plain values, or is cut off.
    """
    import zlib

    from joblib.numpy_pickle import NumpyUnpickler
    from joblib.numpy_pickle_compat import read_zfile
    from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap

    class PlainNumpyUnpickler(NumpyUnpickler):
        find_class = _admitted

    try:
        with path.open("rb") as file:
            if file.read(2) == OLD_FORMAT:
                return _PlainUnpickler(io.BytesIO(read_zfile(file)), encoding="latin1").load()
            file.seek(0)
            with _validate_fileobject_and_memmap(file, str(path), None) as (stream, _):
                unpickler = PlainNumpyUnpickler(str(path), stream, ensure_native_byte_order=True)
                unpickler.encoding = "latin1"  # the file may have been written by Python 2
                return unpickler.load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, zlib.error, OSError) as error:
        raise ValueError(f"not a joblib file ({error})") from None


def _admitted(unpickler: pickle.Unpickler, module: str, name: str) -> Any:
    """What a name in the file stands for, if it is `ADMITTED`."""
    if (module, name) not in ADMITTED:
        raise ValueError(f"it names {module}.{name}, which is no array")
    return getattr(importlib.import_module(module.removeprefix("sklearn.externals.")), name)


class _PlainUnpickler(pickle.Unpickler):
    find_class = _admitted
