"""Captions as people write them for COCO: true, short, each telling a part."""

from __future__ import annotations

import random

from vlit.world import facts
from vlit.world.scene import Scene, Thing
from vlit.world.vocabulary import CONTAINER, INTERACTIONS, NUMBERS, RELATIONS, SETTING_PHRASE, plural, with_article

PER_IMAGE = 5


def captions(scene: Scene, rng: random.Random) -> list[str]:
    """Five captions: one that names most things, and four that each tell one fact or two."""
    short = [write(scene, rng) for write in _usable(scene, rng)]
    return [_overview(scene, rng), *short]


def describe(thing: Thing, rng: random.Random, detail: float = 0.6) -> str:
    """A thing with some of its attributes, each told with probability `detail`: "small red striped cup"."""
    words = []
    if thing.kind != CONTAINER:
        words += [thing.size] if rng.random() < detail / 2 else []
    words += [thing.colour] if rng.random() < detail + 0.2 else []
    if thing.kind != CONTAINER and (thing.texture != "plain" or rng.random() < 0.3):
        words += [thing.texture] if rng.random() < detail else []
    return " ".join([*words, thing.kind])


def _usable(scene: Scene, rng: random.Random) -> list:
    writers = [_attributes, _attributes, _counts, _place, _place]
    writers += [_setting]
    if len(facts.singles(scene)) >= 2:
        writers += [_relation, _relation]
    if scene.interaction is not None:
        writers += [_interaction, _interaction]
    if scene.sign is not None:
        writers += [_sign]
    return rng.sample(writers, PER_IMAGE - 1)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _group(kind: str, scene: Scene, rng: random.Random) -> str:
    things = [thing for thing in scene.things if thing.kind == kind]
    if len(things) == 1:
        return with_article(describe(things[0], rng))
    colours = {thing.colour for thing in things}
    colour = f"{colours.pop()} " if len(colours) == 1 and rng.random() < 0.7 else ""
    return f"{NUMBERS[len(things)]} {colour}{plural(kind)}"


def _overview(scene: Scene, rng: random.Random) -> str:
    groups = [_group(kind, scene, rng) for kind in facts.counts(scene)]
    rng.shuffle(groups)
    if scene.sign is not None:
        groups.append(f"a sign that says {scene.sign.word}")
    listed = groups[0] if len(groups) == 1 else ", ".join(groups[:-1]) + " and " + groups[-1]
    where = SETTING_PHRASE[scene.setting]
    return _sentence(rng.choice((f"{listed} {where}", f"{where} there is {listed}")))


def _attributes(scene: Scene, rng: random.Random) -> str:
    return _sentence(with_article(describe(rng.choice(scene.things), rng, detail=0.8)))


def _counts(scene: Scene, rng: random.Random) -> str:
    number = facts.counts(scene)
    return _sentence(_group(max(number, key=lambda kind: number[kind]), scene, rng))


def _setting(scene: Scene, rng: random.Random) -> str:
    text = f"{_group(rng.choice(sorted(facts.counts(scene))), scene, rng)} {SETTING_PHRASE[scene.setting]}"
    return _sentence(text)


def _place(scene: Scene, rng: random.Random) -> str:
    placed = [(thing, facts.place(thing)) for thing in scene.things if facts.place(thing) is not None]
    if not placed:
        return _attributes(scene, rng)
    thing, where = rng.choice(placed)
    return _sentence(f"{with_article(describe(thing, rng))} in the {where} of the picture")


def _relation(scene: Scene, rng: random.Random) -> str:
    subject, reference = rng.sample(facts.singles(scene), 2)
    side = facts.relation(subject, reference)
    if side is None:
        return _attributes(scene, rng)
    return _sentence(
        f"{with_article(describe(subject, rng, 0.3))} {RELATIONS[side]} {with_article(describe(reference, rng, 0.3))}"
    )


def _interaction(scene: Scene, rng: random.Random) -> str:
    pair = scene.interaction
    if pair is None:
        return _attributes(scene, rng)
    subject, other = scene.things[pair.subject], scene.things[pair.object]
    one, two = (with_article(describe(thing, rng, 0.3)) for thing in (subject, other))
    return _sentence(f"{one} {INTERACTIONS[pair.name]} {two}")


def _sign(scene: Scene, rng: random.Random) -> str:
    if scene.sign is None:
        return _attributes(scene, rng)
    return _sentence(rng.choice(("a sign that says {}", "the sign says {}", "a picture with the word {}")).format(scene.sign.word))
