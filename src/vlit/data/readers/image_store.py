"""Base64 images by id, from JSON or Parquet: only the wanted ones are kept, as such files reach many gigabytes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from vlit.errors import InputError
from vlit.files import read_json

COLUMN = "base64"


def read_base64_images(path: Path, wanted: Collection[str]) -> dict[str, str]:
    """Read the wanted images of `{id: base64}` JSON, or of a Parquet file with an id index and a column `base64`.

    Returns:
        Base64 text by image id, without the ids the file lacks.

    Raises:
        InputError: if the file is absent, broken or in another format.
    """
    wanted = set(wanted)
    if path.suffix == ".parquet":
        return _from_parquet(path, wanted)
    images = read_json(path, mend="download it, or mend the dataset's `images` path")
    if not isinstance(images, dict):
        raise InputError(f"{path} does not map image ids to base64 text: the top level must be an object")
    return {key: data for key, data in images.items() if key in wanted and isinstance(data, str)}


def _from_parquet(path: Path, wanted: set[str]) -> dict[str, str]:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    if not path.is_file():
        raise InputError(f"no file {path}: download it, or mend the dataset's `images` path")
    images: dict[str, str] = {}
    try:
        file = pyarrow.parquet.ParquetFile(path)
        index = _index_column(path, file.schema_arrow)
        for batch in file.iter_batches(batch_size=256, columns=[index, COLUMN]):
            ids = batch.column(index).cast(pyarrow.string())
            chosen = batch.filter(pyarrow.compute.is_in(ids, pyarrow.array(sorted(wanted), pyarrow.string())))
            keys = chosen.column(index).cast(pyarrow.string()).to_pylist()
            rows = zip(keys, chosen.column(COLUMN).to_pylist(), strict=True)
            images.update({key: data for key, data in rows if isinstance(data, str)})
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error}): fetch it again") from None
    return images


def _index_column(path: Path, schema: object) -> str:
    """Name of the column with the image ids: the pandas index, else the one column beside `base64`."""
    names: list[str] = list(schema.names)  # type: ignore[attr-defined]
    pandas = schema.pandas_metadata or {}  # type: ignore[attr-defined]
    index = [column for column in pandas.get("index_columns", []) if isinstance(column, str)]
    candidates = index or [column for column in names if column != COLUMN]
    if COLUMN not in names or len(candidates) != 1:
        raise InputError(f"{path} has columns {names}: expected image ids as the index and a column `{COLUMN}`")
    return candidates[0]
