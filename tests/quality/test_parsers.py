"""The choice of parser, and HanLP's graphs in the form of its documentation and its code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra.utils import instantiate

from vlit.common.errors import InputError
from vlit.quality.assess import instruments
from vlit.quality.parsers import HanlpParser, SpacyParser, nouns_with_role


def test_nouns_with_a_role_count_and_compounds_once() -> None:
    tokens = ["Is", "the", "red", "fire", "hydrant", "near", "Oak", "Street", "?"]
    tags = ["VBZ", "DT", "JJ", "NN", "NN", "IN", "NNP", "NNP", "."]
    graph = [[], [], [], [(5, "compound")], [(2, "BV"), (3, "ARG1"), (6, "ARG1")], [(0, "root")],
             [(8, "compound")], [(6, "ARG2")], []]  # fmt: skip
    assert nouns_with_role(tokens, tags, graph) == ["hydrant", "street"]
    universal = ["AUX", "DET", "ADJ", "NOUN", "NOUN", "ADP", "PROPN", "PROPN", "PUNCT"]
    assert nouns_with_role(tokens, universal, graph) == ["hydrant", "street"]


def test_a_noun_without_a_role_does_not_count_and_one_that_only_governs_does() -> None:
    assert nouns_with_role(["dogs", "bark", "cats"], ["NNS", "VBP", "NNS"], [[], [(1, "of")], []]) == ["dogs"]


@pytest.mark.skipif(find_spec("hanlp") is not None, reason="HanLP is installed")
def test_without_hanlp_one_line_names_what_to_install(assess_config) -> None:
    made = instruments(assess_config("parser=hanlp"), lambda: None, lambda: None)
    with pytest.raises(InputError, match="pip install hanlp, or parser=spacy"):
        made.parser()


@pytest.mark.skipif(find_spec("hanlp") is None, reason="HanLP is not installed")
def test_an_absent_model_is_one_line_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no HanLP model at .*file\.hankcs\.com"):
        HanlpParser(str(tmp_path))


def test_the_default_is_spacy_and_elements_come_in_the_texts_order(assess_config) -> None:
    pytest.importorskip("spacy")
    parser = instantiate(assess_config().parser)
    assert isinstance(parser, SpacyParser) and parser.workers == 2
    texts = ["Where is the dog?", "", "The coffee cup is on the table.", "Why?"]
    assert parser(texts) == [["dog"], [], ["cup", "table"], []]
    with pytest.raises(InputError, match="no spaCy pipeline xx_none"):
        SpacyParser("xx_none")
