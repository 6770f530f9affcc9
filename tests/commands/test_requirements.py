"""The lock files agree with each other, with base.in, and with what is installed."""

from __future__ import annotations

import importlib.metadata
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

FOLDER = ROOT / "requirements"
PLATFORMS = ("cpu", "cuda")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= |$)")
OPTIONS = "-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host"
INDEX = re.compile(rf"://| @ |^\s*({OPTIONS})\b", re.MULTILINE)
PLACE = re.compile(r"(?<![\w.-])/(tmp|opt|root|home|work)\b")


def lines(name: str) -> list[str]:
    """The requirements of a file, each with its hashes on one line, without comments."""
    text = (FOLDER / name).read_text().replace("\\\n", " ")
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()) if line]


def locked(platform: str) -> dict[str, str]:
    """The version of each package in a lock."""
    found = {}
    for line in lines(f"lock-{platform}.txt"):
        name, version = re.fullmatch(r"([\w.-]+)={2,3}([^\s=]+)", line.split(" ", 1)[0]).groups()  # type: ignore[union-attr]
        assert canonicalize_name(name) not in found, f"{name} is there twice"
        found[canonicalize_name(name)] = version
    return found


def test_cpu_and_cuda_have_the_same_version_of_all_that_both_have() -> None:
    cpu, cuda = locked("cpu"), locked("cuda")
    assert cpu.pop("torch") == cuda.pop("torch") + "+cpu"
    assert {"torchvision", "transformers", "lightning"} < cpu.keys()
    assert {name: cuda.get(name) for name in cpu} == cpu
    only_cuda = cuda.keys() - cpu.keys()
    assert {name for name in only_cuda if not name.startswith(("nvidia-", "cuda-"))} == {"triton"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_lock_has_all_of_base_and_as_it_asks(platform: str) -> None:
    versions = locked(platform)
    for requirement in map(Requirement, lines("base.in")):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)], prereleases=True)


@pytest.mark.parametrize("name", ["lock-cpu.txt", "lock-cuda.txt", "nodeps.txt"])
def test_every_line_has_a_hash_but_the_cpu_build_of_torch(name: str) -> None:
    bare = [line for line in lines(name) if not HASH.search(line)]
    assert bare == ([f"torch=={locked('cpu')['torch']}"] if name == "lock-cpu.txt" else [])


def test_a_cpu_build_already_there_does_not_stand_in_for_the_cuda_build() -> None:
    (torch,) = (line.split()[0] for line in lines("lock-cuda.txt") if line.startswith("torch="))
    assert torch == f"torch==={locked('cuda')['torch']}"


def test_no_file_names_an_index_or_a_place() -> None:
    for path in FOLDER.iterdir():
        if path.suffix in (".txt", ".in"):
            text = path.read_text()
            assert not INDEX.search(text) and not PLACE.search(text), path.name


def test_what_the_locked_packages_require_is_installed() -> None:
    # Everything is installed with --no-deps, so that no installer has checked it.
    versions = {canonicalize_name(each.name): each.version for each in importlib.metadata.distributions()}
    wrong = []
    for name in locked("cpu"):
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                version = versions.get(canonicalize_name(needed.name))
                if version is None or not needed.specifier.contains(version, prereleases=True):
                    wrong.append(f"{name} requires {needed}, and there is {version}")
    assert not wrong
