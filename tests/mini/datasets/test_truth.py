"""The datasets agree with the truth of a small world, which their writers never read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vlit.common.files import read_json
from vlit.construct.sources.read import read_annotations
from vlit.mini.datasets.build import MiniDatasetSpec, MiniDatasetsSpec, build_mini_datasets
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.world.facts import scene_facts
from vlit.mini.world.scene import Scene, read_truth
from vlit.mini.world.wordings import TAUGHT


def truths(scene: Scene) -> dict[str, set[str]]:
    """Return short answers of a scene by question; of a symmetric interaction in both orders."""
    found: dict[str, set[str]] = {}
    for fact in scene_facts(scene):
        for wording in TAUGHT[fact.type]:
            found.setdefault(wording.format(*fact.slots), set()).add(fact.answer)
            if fact.type == "interaction" and ("touching" in fact.answer):
                first, second = fact.slots
                found[wording.format(*fact.slots)] |= {
                    form.format(a[0].upper() + a[1:], b)
                    for a, b in ((first, second), (second, first))
                    for form in ("{} is touching {}", "{} is not touching {}")
                    if ("not" in form) == ("not" in fact.answer)
                }
    return found


def test_short_responses_without_planted_errors_are_true(small_world: Path, tmp_path: Path) -> None:
    none = MiniDatasetSpec(200, 0.0)
    built = build_mini_datasets(small_world, MiniDatasetsSpec(none, none, none), tmp_path / "mini")
    scenes = {image: truths(scene) for image, scene in read_truth(small_world).items()}
    checked = 0
    for kind in ("global", "negative"):
        for annotation in read_json(built / "ours" / f"{kind}.json")["annotations"]:
            for turn in annotation["conversations"]:
                answers = scenes[annotation["img_ids"][0]].get(turn["User"])
                if answers and not turn["AI"].endswith("."):
                    assert turn["AI"] in answers, (annotation["img_ids"], turn)
                    checked += 1
    assert checked > 100


def test_settings_and_interactions_read_from_annotations_are_true(small_world: Path) -> None:
    truth = read_truth(small_world)
    known: Counter[str] = Counter()
    for image in read_annotations(small_world / "coco"):
        facts, scene = ImageFacts(image), truth[image.image_id]
        assert facts.setting in (None, scene.setting)
        known["setting"] += facts.setting is not None
        if facts.interaction is None:
            continue
        pair = scene.interaction
        assert pair is not None and facts.interaction.name == pair.name
        kinds = {scene.things[pair.subject].kind, scene.things[pair.object].kind}
        assert {facts.interaction.subject, facts.interaction.object} == kinds
        known["interaction"] += 1
    assert known["setting"] > 50 and known["interaction"] > 10
