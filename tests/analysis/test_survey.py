"""The catalogue of the survey, and hyperparameters from the live configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlit.analysis.tables.hyperparameters import MODELS, SETTINGS, compare_hyperparameters, paper_configuration
from vlit.analysis.tables.survey import Node, Survey, dataset_tree, find_rows, read_survey, survey_tables
from vlit.common.errors import InputError

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="module")
def survey(published_folder: Path) -> Survey:
    return read_survey(published_folder)


def test_every_row_is_there_with_its_raw_line(survey: Survey) -> None:
    assert (len(survey.models), len(survey.datasets), len(survey.tasks)) == (60, 52, 56)
    for rows in (survey.models, survey.datasets, survey.tasks):
        assert all(row["raw"] for row in rows)
        assert all(set(filter(None, row["uncertain"].split(";"))) <= set(row) for row in rows)


def test_queries(survey: Survey) -> None:
    names = {row["name"] for row in find_rows(survey.datasets, type="SI", regional="yes")}
    assert {"DetGPT", "GranD", "Ferret"} <= names
    assert "PMC-VQA" not in names
    sure = find_rows(survey.datasets, certain=True, type="SI", regional="yes")
    assert {row["name"] for row in sure} < names
    assert not any("regional" in row["uncertain"].split(";") for row in sure)
    assert "InternLM-XComposer" in {row["name"] for row in find_rows(survey.tasks, tasks="image captioning")}
    with pytest.raises(InputError, match="no column 'colour'"):
        find_rows(survey.datasets, colour="red")


def test_uncertain_cells_are_marked(survey: Survey) -> None:
    table = next(table for table in survey_tables(survey) if table.name == "table01")
    row = next(row for row in table.rows if row[0] == "Mini-GPT4")
    assert row[5] == "✓?"
    assert next(row for row in table.rows if row[0] == "LLaVA")[5] == "✓"


def test_the_tree_contains_every_dataset_once_by_strategy(survey: Survey) -> None:
    def leaves(node: Node) -> list[str]:
        return [name for child in node.children for name in leaves(child)] if node.children else [node.label]

    strategy, tendency = dataset_tree(survey).children
    assert sorted(leaves(strategy)) == sorted(row["name"] for row in survey.datasets)
    assert {"LLaVAR", "PMC-VQA", "PointLLM", "TextBind"} <= set(leaves(tendency))


@pytest.mark.parametrize("table", MODELS)
def test_the_configuration_is_the_published_one(table: str, published_folder: Path) -> None:
    rows = compare_hyperparameters(table, paper_configuration(MODELS[table], CONF), published_folder)
    compared = [row for row in rows if row.value is not None]
    assert {row.name for row in compared} == set(SETTINGS[table])
    assert [(row.name, row.published, row.value) for row in compared if not row.same] == []


def test_a_changed_hyperparameter_changes_the_table(published_folder: Path) -> None:
    configuration = paper_configuration("llava", CONF)
    configuration["tuning"]["optimizer"]["lr"] = 1e-3
    row = next(
        row
        for row in compare_hyperparameters("table06", configuration, published_folder)
        if row.name == "learning_rate"
    )
    assert row.value == 1e-3
    assert row.same is False
