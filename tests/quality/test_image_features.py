"""Features of images: decoded and encoded once, kept by content and model, the same whatever they are computed with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hydra.utils import instantiate
from PIL import Image

from vlit.data.sample import Sample, Turn
from vlit.models.clip import Clip
from vlit.quality.image_features import ImageFeatures
from vlit.quality.indicators.matching_degree import MatchingMeasure
from vlit.quality.statistics import Shard, StatisticsStore


@pytest.fixture(scope="module")
def clip(compose) -> Clip:
    return instantiate(compose().quality).clip()


class Drawn:
    """A picture of noise that counts how often it is decoded; the 13th can't be."""

    decoded: ClassVar[Counter[int]] = Counter()

    def __init__(self, seed: int) -> None:
        self.seed, self.key = seed, f"noise {seed}"

    def load(self) -> Image.Image:
        Drawn.decoded[self.seed] += 1
        if self.seed == 13:
            raise OSError("cut off")
        return Image.fromarray(np.random.default_rng(self.seed).integers(0, 255, (64, 64, 3), dtype=np.uint8))


def test_an_image_is_decoded_once_for_all_its_samples_and_every_later_pass(clip: Clip, tmp_path: Path) -> None:
    Drawn.decoded.clear()
    file = tmp_path / "features.sqlite"
    first = ImageFeatures(clip, "mini", file, 3).of([Drawn(seed) for seed in (1, 2, 1, 3, 2, 4)])
    again = ImageFeatures(clip, "mini", file, 3).of([Drawn(seed) for seed in (4, 3, 2, 1)])
    assert Drawn.decoded == {1: 1, 2: 1, 3: 1, 4: 1}
    assert [vector.tobytes() for vector in again] == [first[place].tobytes() for place in (5, 3, 1, 0)]
    assert np.linalg.norm(first[0]) == pytest.approx(1, abs=1e-5)
    ImageFeatures(clip, "another", file, 3).of([Drawn(1)])
    assert Drawn.decoded[1] == 2, "another model's features are its own"


def test_an_unreadable_image_has_no_feature_and_the_others_have(clip: Clip) -> None:
    found = ImageFeatures(clip, "mini", None).of([Drawn(1), Drawn(13), Drawn(2)])
    assert [vector is None for vector in found] == [False, True, False]


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_a_feature_does_not_depend_on_what_is_encoded_beside_it(clip: Clip, batch_size: int) -> None:
    images = [Drawn(seed) for seed in range(12)]
    together = ImageFeatures(clip, "mini", None).of(images)
    apart = ImageFeatures(clip, "mini", None, batch_size).of(images[::-1])[::-1]
    assert all(one.tobytes() == two.tobytes() for one, two in zip(together, apart, strict=True))


def test_shards_that_share_features_end_with_the_bytes_of_one_pass(clip: Clip, tmp_path: Path) -> None:
    said = ("A red cup is here.", "A dog sits on the grass. It is small.")
    samples = [Sample(f"s{n}", (Drawn(n % 5),), (Turn("What?", said[n % 2]),)) for n in range(23)]
    merged = []
    for name, shards in (("one", ["1/1"]), ("three", ["3/3", "1/3", "2/3"])):
        store = StatisticsStore(tmp_path / name, 4)
        measure = MatchingMeasure(lambda: clip, "mini", tmp_path / f"{name}.sqlite")
        for shard in shards:
            store.compute(measure, samples, Shard.parse(shard))
        merged.append(store.merge(measure, samples).read_bytes())
    assert merged[0] == merged[1]
