"""The paper's names: columns of Table 3, indicators of Tables 4 and 15, and how keys are shown to a reader."""

from __future__ import annotations

from dataclasses import dataclass

OVERALL = "Overall"
DIMENSIONS = ("SU", "II", "IL", "IA", "IC", "SR", "IIR", "VR", "TR")  # in the order of Table 3, not of SEED-Bench's ids
COLUMNS = (OVERALL, *DIMENSIONS)

DIMENSION_LABELS = {
    "SU": "Scene Understanding",
    "II": "Instance Identity",
    "IL": "Instance Location",
    "IA": "Instance Attribute",
    "IC": "Instance Counting",
    "SR": "Spatial Relation",
    "IIR": "Instance Interaction",
    "VR": "Visual Reasoning",
    "TR": "Text Recognition",
}

# Image questions of SEED-Bench-1 per dimension, evaluation dimensions 1-9; 14,233 in all.
SEED_BENCH_COUNTS = {
    "SU": 3158,
    "II": 1831,
    "IL": 978,
    "IA": 4649,
    "IC": 2447,
    "SR": 657,
    "IIR": 97,
    "VR": 331,
    "TR": 85,
}


@dataclass(frozen=True)
class Indicator:
    """A quality indicator: its key in `quality.json`, its row in Table 15, its meaning, and which way is better."""

    key: str
    row: str
    label: str
    higher_is_better: bool = True
    in_table_15: bool = True
    is_count: bool = False  # a count is exact as printed; anything else is known to half a unit in its last place


INDICATORS = (
    Indicator("MD", "MD", "Matching degree"),
    Indicator("C", "C", "Correctness", in_table_15=False),
    Indicator("T", "TD", "Task diversity", is_count=True),
    Indicator("I_div", "ID", "Instruction diversity"),
    Indicator("R", "RD", "Response diversity"),
    Indicator("OG", "OC", "Object/granularity complexity"),
    Indicator("I_cx", "IC", "Instruction complexity"),
    Indicator("Balance", "Bal", "Balance", higher_is_better=False),
)
INDICATOR_BY_KEY = {indicator.key: indicator for indicator in INDICATORS}
INDICATOR_BY_ROW = {indicator.row: indicator for indicator in INDICATORS}

_LABELS = {
    "llava": "LLaVA",
    "blip2": "BLIP-2",
    "openflamingo": "OpenFlamingo",
    "mimic_it": "MIMIC-IT",
    "ours": "Ours",
    "ours_qc": "Ours+QC",
}
_ORDER = ("LLaVA", "BLIP-2", "OpenFlamingo", "MIMIC-IT", "Ours", "Ours+QC")


def label(key: str) -> str:
    """The paper's name of a configured model or dataset (`ours_qc` is "Ours+QC"); any other key is its own name."""
    return _LABELS.get(key, key)


def in_paper_order(labels: list[str]) -> list[str]:
    """Labels without repeats: the paper's in its order, then all others in the order they came."""
    unique = list(dict.fromkeys(labels))
    return sorted(unique, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


def indicator_row(key: str) -> str:
    """The Table 15 row name of an indicator key; a key the paper doesn't have is its own row name."""
    return INDICATOR_BY_KEY[key].row if key in INDICATOR_BY_KEY else key
