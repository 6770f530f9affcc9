"""The mini world: scenes that are drawn, described and asked about, so that the truth behind every file is known."""

from vlit.world.build import WorldSpec, build_world
from vlit.world.captions import captions
from vlit.world.corpus import document
from vlit.world.draw import render
from vlit.world.sample import pretraining_scenes, scenes
from vlit.world.scene import Scene

__all__ = ["Scene", "WorldSpec", "build_world", "captions", "document", "pretraining_scenes", "render", "scenes"]
