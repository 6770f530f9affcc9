"""Features of images: decoded and encoded once, kept by content and model, the same in any batch."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from tests.quality.conftest import LoadedClip
from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.matching_degree import MatchingMeasure
from vlit.quality.statistics import Shard, StatisticsStore


class Drawn:
    """An image of noise that counts how often it is decoded; number 13 can't be."""

    decoded: ClassVar[Counter[int]] = Counter()

    def __init__(self, seed: int) -> None:
        self.seed, self.key = seed, f"noise {seed}"

    def load(self) -> Image.Image:
        Drawn.decoded[self.seed] += 1
        if self.seed == 13:
            raise OSError("cut off")
        return Image.fromarray(np.random.default_rng(self.seed).integers(0, 255, (64, 64, 3), dtype=np.uint8))


def test_an_image_is_decoded_once_for_all_its_samples_and_every_later_pass(clip: LoadedClip, tmp_path: Path) -> None:
    Drawn.decoded.clear()
    file = tmp_path / "features.sqlite"
    first = clip.features(file, 3).of([Drawn(seed) for seed in (1, 2, 1, 3, 2, 4)])
    again = clip.features(file, 3).of([Drawn(seed) for seed in (4, 3, 2, 1)])
    assert Drawn.decoded == {1: 1, 2: 1, 3: 1, 4: 1}
    assert [vector.tobytes() for vector in again] == [first[place].tobytes() for place in (5, 3, 1, 0)]
    assert np.linalg.norm(first[0]) == pytest.approx(1, abs=1e-5)
    LoadedClip(clip.clip, "another").features(file, 3).of([Drawn(1)])
    assert Drawn.decoded[1] == 2, "another model's features are its own"


def test_an_unreadable_image_has_no_feature_and_the_others_have(clip: LoadedClip) -> None:
    found = clip.features().of([Drawn(1), Drawn(13), Drawn(2)])
    assert [vector is None for vector in found] == [False, True, False]


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_a_feature_does_not_depend_on_the_others_of_its_batch(clip: LoadedClip, batch_size: int) -> None:
    images = [Drawn(seed) for seed in range(12)]
    together = clip.features().of(images)
    apart = clip.features(None, batch_size).of(images[::-1])[::-1]
    assert all(one.tobytes() == two.tobytes() for one, two in zip(together, apart, strict=True))


def test_shards_that_share_features_end_with_the_bytes_of_one_pass(clip: LoadedClip, tmp_path: Path) -> None:
    responses = ("A red cup is here.", "A dog sits on the grass. It is small.")
    samples = [Sample(f"s{n}", (Drawn(n % 5),), (Turn("What?", responses[n % 2]),)) for n in range(23)]
    found = []
    for name, shards in (("one", ["1/1"]), ("three", ["3/3", "1/3", "2/3"])):
        store = StatisticsStore(tmp_path / name, 4)
        measure = MatchingMeasure(clip.features(tmp_path / f"{name}.sqlite"))
        for shard in shards:
            store.compute(measure, samples, Shard.parse(shard))
        found.append([part.read_bytes() for part in sorted(store.folder.rglob("part-*.parquet"))])
    assert len(found[0]) == 6 and found[0] == found[1]


def test_an_image_that_was_checked_is_not_decoded_again_for_its_feature(clip: LoadedClip, tmp_path: Path) -> None:
    Drawn.decoded.clear()
    images = [Drawn(seed) for seed in (1, 13, 2)]
    features = clip.features(tmp_path / "features.sqlite")
    assert features.unreadable(images) == {images[1]: "cut off"}
    assert [vector is None for vector in features.of(images)] == [False, True, False]
    others = [*images, Drawn(3)]
    assert features.unreadable(others, encode=False) == {images[1]: "cut off"}
    assert Drawn.decoded == {1: 1, 2: 1, 13: 1, 3: 1}
    later = clip.features(tmp_path / "features.sqlite")
    assert later.unreadable([images[0], images[2]], encode=False) == {}
    assert Drawn.decoded[1] == Drawn.decoded[2] == 1, "a stored feature shows that its image is readable"


def test_a_damaged_feature_is_encoded_again(clip: LoadedClip, tmp_path: Path) -> None:
    file = tmp_path / "features.sqlite"
    first = [vector.tobytes() for vector in clip.features(file).of([Drawn(1), Drawn(2)])]
    with closing(sqlite3.connect(file)) as connection, connection:
        (blob,) = connection.execute("SELECT vector FROM vectors WHERE image = 'noise 1'").fetchone()
        flipped = bytes([blob[0] ^ 1, *blob[1:]])
        connection.execute("UPDATE vectors SET vector = ? WHERE image = 'noise 1'", (flipped,))
    Drawn.decoded.clear()
    for _ in range(2):
        assert [vector.tobytes() for vector in clip.features(file).of([Drawn(1), Drawn(2)])] == first
    assert Drawn.decoded == {1: 1}


def test_a_damaged_file_of_features_is_made_again(clip: LoadedClip, tmp_path: Path, caplog) -> None:
    file = tmp_path / "features.sqlite"
    first = clip.features(file).of([Drawn(1)])[0].tobytes()
    file.write_bytes(b"SQLite format 3\0" + b"cut" * 1000)
    assert clip.features(file).of([Drawn(1)])[0].tobytes() == first
    assert str(file) in caplog.text
    Drawn.decoded.clear()
    assert clip.features(file).of([Drawn(1)])[0].tobytes() == first
    assert not Drawn.decoded
