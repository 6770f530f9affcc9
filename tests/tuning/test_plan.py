"""The plan of a run, and the global batch it keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf.errors import OmegaConfBaseException

from vlit.common.errors import InputError
from vlit.common.needed import missing_files
from vlit.common.resolvers import accumulation, check_global_batch
from vlit.tuning.plan import plan
from vlit.tuning.setup import is_sharded


@pytest.fixture(scope="module")
def paper(compose):
    return lambda *overrides: compose("scale=paper", "data=llava", *overrides, tiny=False)


def test_the_plan_names_sizes_steps_memory_and_missing_files(paper, tmp_path) -> None:
    text = plan(paper("model=openflamingo", f"paths.weights={tmp_path}", f"paths.data={tmp_path}"))
    assert "944,019,504" in text
    assert "steps: 118,500 of 8 samples" in text  # 158,000 samples, 6 epochs
    weights = 2_559_117_360 * 4 / 2**30
    assert f"{weights:.1f}" in text
    assert f"{2 * 944_019_504 * 4 / 2**30:.1f}" in text
    assert "huggingface.co/mosaicml/mpt-1b-redpajama-200b" in text
    assert "llava_instruct_150k.json" in text


def test_llava_does_not_fit_unsharded_and_does_sharded_or_with_adapters(paper) -> None:
    whole = plan(paper("model=llava", "trainer=v100x8"))
    rows = [line for line in whole.splitlines() if "tokens  " in line]
    assert [line.endswith("does not fit") for line in rows if "a copy" in line] == [True, True]
    assert [line.endswith("  fits") for line in rows if "sharded" in line] == [True, True]
    assert "trainer.strategy shards over 8: it fits" in whole
    copies = plan(paper("model=llava", "trainer=v100x8", "trainer.strategy=ddp"))
    assert "not every batch fits\n  trainer=v100x8_sharded shards: it fits" in copies
    adapted = plan(paper("model=llava", "trainer=1x24G", "lora=half"))
    rows = [line for line in adapted.splitlines() if "a copy" in line and "tokens  " in line]
    assert rows and all(line.endswith("  fits") for line in rows)
    assert "4 a GPU x 16 accumulated x 1 GPUs" in adapted


def test_blip2_with_opt_in_half_precision_fits_a_common_batch(paper) -> None:
    rows = [line for line in plan(paper("model=blip2")).splitlines() if "a copy on each GPU, 700" in line]
    assert len(rows) == 1 and rows[0].endswith("  fits")
    weights = (1_093_674_496 * 4 + 2_651_596_800 * 2) / 2**30  # norms and biases of OPT stay in float32
    assert float(rows[0].split()[7]) == pytest.approx(weights, abs=0.06)


@pytest.mark.parametrize(("model", "sharded"), [("llava", True), ("blip2", False), ("openflamingo", False)])
@pytest.mark.parametrize("trainer", ["paper", "v100x8", "a100x8"])
def test_eight_gpus_shard_what_does_not_fit_and_score_in_half(paper, trainer: str, model: str, sharded: bool) -> None:
    cfg = paper(f"model={model}", f"trainer={trainer}")
    assert is_sharded(cfg) == sharded
    assert cfg.benchmark.scoring.precision == "16-mixed"
    assert is_sharded(paper(f"model={model}", "trainer=v100x8_sharded"))


def test_half_weights_without_autocast_are_refused(compose) -> None:
    from vlit.tuning import setup

    with pytest.raises(InputError, match="need 16-mixed"):
        setup.model(compose("model=blip2", "model.half_frozen=true"))


def test_what_is_there_is_not_missing(paper, tmp_path) -> None:
    cfg = paper("model=blip2", f"paths.weights={tmp_path}", f"paths.data={tmp_path}")
    before = [path for path, _ in missing_files(cfg)]
    (tmp_path / "blip2-opt-2.7b-coco").mkdir()
    assert set(before) - {path for path, _ in missing_files(cfg)} == {tmp_path / "blip2-opt-2.7b-coco"}


def test_a_curated_dataset_needs_its_clip(paper) -> None:
    paths = [path.name for path, _ in missing_files(paper("model=llava", "data=ours_qc"))]
    assert "clip-vit-large-patch14-openai.safetensors" in paths


def test_mini_scale_has_no_plan(compose) -> None:
    with pytest.raises(InputError, match="scale=mini has no plan"):
        plan(compose())


@pytest.mark.parametrize(
    ("trainer", "devices", "accumulated"),
    [("v100x8", 8, 2), ("v100x8_sharded", 8, 2), ("a100x8", 8, 2), ("1x24G", 1, 16)],
)
def test_presets_keep_the_global_batch(paper, trainer: str, devices: int, accumulated: int) -> None:
    cfg = paper("model=llava", f"trainer={trainer}")
    assert (cfg.trainer.devices, cfg.tuning.accumulation) == (devices, accumulated)
    assert cfg.tuning.batch_size * cfg.tuning.accumulation * cfg.trainer.devices == 64


def test_a_number_of_gpus_that_does_not_divide_the_global_batch_is_refused(paper) -> None:
    with pytest.raises(OmegaConfBaseException, match="no multiple"):
        plan(paper("model=llava", "trainer.devices=3"))


def test_an_accumulation_that_changes_the_global_batch_is_refused(paper) -> None:
    with pytest.raises(InputError, match="global_batch=64"):
        plan(paper("model=llava", "tuning.accumulation=3"))


@given(st.integers(1, 64), st.integers(1, 16), st.integers(1, 8), st.integers(1, 4))
def test_derived_accumulation_gives_the_global_batch(batches: int, size: int, devices: int, nodes: int) -> None:
    whole = batches * size * devices * nodes
    derived = accumulation(whole, size, devices, nodes)
    check_global_batch(whole, size, derived, devices * nodes)
    assert derived == batches


def test_an_open_number_of_devices_is_refused() -> None:
    with pytest.raises(InputError, match="auto"):
        accumulation(64, 4, "auto")
