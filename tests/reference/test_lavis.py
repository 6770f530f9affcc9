"""Our BLIP-2 OPT against LAVIS's own in this environment, on the same fixed random weights of the mini model.

Logits, loss, gradients, choice scores, and the shims without which LAVIS does not run here. `test_oracle.py` compares
with LAVIS without shims, in its own environment.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from transformers import Blip2ForConditionalGeneration

from vlit.data.dataset import Batch
from vlit.data.encode import IGNORED
from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import choice_scores
from vlit.models.blip2 import Blip2, LavisBlip2, in_lavis
from vlit.models.checkpoints import transformers_blip2_state
from vlit.models.export import export
from vlit.models.forward import token_loss
from vlit.tuning import setup

pytestmark = pytest.mark.reference
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
TEXTS = ["the cup is blue", "a red ball on the grass"]


@pytest.fixture(scope="module")
def pair(compose):
    """Ours and LAVIS's, with the same random weights: (transformers, lavis)."""
    ours = setup.model(compose("model=blip2"))
    torch.manual_seed(0)
    for name, parameter in ours.named_parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.1)
        elif "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.05)
    theirs = in_lavis(ours.network, ours.tokenizer, ours.policy.trained)
    theirs.network.max_txt_len = 64
    return ours.eval(), theirs.eval()


def batch_of(model, texts: list[str]) -> Batch:
    """Return queries, then the text with its first token, all of it supervised, as LAVIS reads them."""
    words = model.tokenizer(
        [text + "\n" for text in texts], return_tensors="pt", padding="longest", padding_side="right"
    )
    images = torch.full((len(texts), model.tokens_per_image), model.image_token_id)
    labels = words.input_ids.masked_fill(words.input_ids == model.tokenizer.pad_token_id, IGNORED)
    return Batch(
        sample_ids=texts,
        input_ids=torch.cat([images, words.input_ids], dim=1),
        attention_mask=torch.cat([torch.ones_like(images), words.attention_mask], dim=1),
        labels=torch.cat([torch.full_like(images, IGNORED), labels], dim=1),
        pixel_values=torch.randn(len(texts), 3, 64, 64, generator=torch.Generator().manual_seed(1)),
        image_counts=torch.ones(len(texts), dtype=torch.long),
    )


def test_logits(pair) -> None:
    ours, theirs = pair
    batch = batch_of(ours, TEXTS)
    with torch.inference_mode():
        expected = theirs(batch)[batch.attention_mask.bool()]
        assert float(expected.std()) > 0.1  # large enough for a tolerance of 1e-4
        torch.testing.assert_close(ours(batch)[batch.attention_mask.bool()], expected, **CLOSE)


def test_loss_and_gradients_against_their_own_forward(pair) -> None:
    ours, theirs = pair
    batch = batch_of(ours, TEXTS)
    for one in (ours, theirs):
        one.zero_grad()
    loss = token_loss(ours(batch), batch.labels)
    (loss.total / loss.tokens).backward()
    expected = theirs.network({"image": batch.pixel_values, "text_input": TEXTS})["loss"]
    expected.backward()
    torch.testing.assert_close(loss.total / loss.tokens, expected, **CLOSE)
    gradients = {name: one.grad for name, one in ours.network.named_parameters() if one.grad is not None}
    expected_gradients = transformers_blip2_state(
        {n: one.grad for n, one in theirs.network.named_parameters() if one.grad is not None}
    )
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        if name.endswith("qkv.bias"):  # LAVIS has none on keys; a change there would not change the output
            assert float(gradient.chunk(3)[1].abs().max()) < 1e-6
        torch.testing.assert_close(gradient, expected_gradients[name], **CLOSE)
    assert max(float(one.abs().max()) for one in expected_gradients.values()) > 1e-2


def test_choice_scores(pair) -> None:
    ours, theirs = pair
    batch = batch_of(ours, TEXTS[:1])
    prompt = batch.input_ids[:, :-2]
    prompts = Batch(
        ["0"], prompt, torch.ones_like(prompt), torch.full_like(prompt, IGNORED), batch.pixel_values, batch.image_counts
    )
    choices = torch.randint(10, 500, (4, 3), generator=torch.Generator().manual_seed(0))
    questions = QuestionBatch([], prompts, torch.tensor([0]), choices, torch.ones_like(choices))
    sums, means = choice_scores(ours, questions)
    torch.testing.assert_close(choice_scores(theirs, questions), (sums, means), **CLOSE)
    for place, choice in enumerate(choices):  # one full forward pass of LAVIS's network for each choice
        ids = torch.cat([prompt[0], choice])[None]
        whole = Batch(["0"], ids, torch.ones_like(ids), ids, batch.pixel_values, batch.image_counts)
        with torch.inference_mode():
            logits = theirs(whole)[0, prompt.shape[1] - 1 : -1]
        scores = logits.log_softmax(dim=-1).gather(1, choice[:, None])
        torch.testing.assert_close(sums[0, place], scores.sum(), **CLOSE)
        torch.testing.assert_close(means[0, place], scores.mean(), **CLOSE)


def test_the_library_is_a_choice_of_the_configuration(compose) -> None:
    model = setup.model(compose("model=blip2", "model.library=lavis"))
    assert isinstance(model, LavisBlip2) and type(model.network).__mro__[1].__module__.startswith("lavis.")
    same = setup.model(compose("model=blip2"))
    batch = batch_of(same, TEXTS)
    with torch.inference_mode():
        torch.testing.assert_close(model(batch), same(batch), **CLOSE)
        assert model.eval().generate(batch, 5) == same.eval().generate(batch, 5)
    trained = {part: size for part, state, size in model.policy.report(model) if state == "trained"}
    ours = {part: size for part, state, size in same.policy.report(same) if state == "trained"}
    ours["vision_encoder"] -= 4 * 96  # the biases on keys
    assert trained == ours


def test_an_export_in_transformers_format_gives_the_same_logits(pair, tmp_path) -> None:
    _, theirs = pair
    batch = batch_of(theirs, TEXTS)
    export(theirs, tmp_path / "exported")
    network = Blip2ForConditionalGeneration.from_pretrained(tmp_path / "exported").eval()
    with torch.inference_mode():
        logits = Blip2(network, theirs.tokenizer, ["projection"]).eval()(batch)
        real = batch.attention_mask.bool()
        torch.testing.assert_close(logits[real], theirs(batch)[real], **CLOSE)


# A shim is removed when its test fails.
def fails(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import vlit.common.torchvision_shim\n" + code],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0, "it works without the shim: remove it from lavis.py"
    return done.stderr.splitlines()[-1]


def test_empty_packages_are_needed() -> None:
    assert "Error" in fails("import lavis.models.blip2_models.blip2_opt")


def test_moved_functions_are_needed() -> None:
    code = "from vlit.models import lavis as s\ns.register_empty_packages()\nimport lavis.models.blip2_models.Qformer"
    assert "apply_chunking_to_forward" in fails(code)


def test_base_model_is_needed() -> None:
    code = "from vlit.models import lavis as s\ns.register_empty_packages(); s.restore_moved_functions()\n"
    assert "BaseModel" in fails(code + "import lavis.models.blip2_models.blip2_opt")


def test_current_opt_is_needed(pair) -> None:
    import lavis.models.blip2_models.modeling_opt as old
    from transformers import OPTConfig

    small = OPTConfig(
        vocab_size=32, hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2, word_embed_proj_dim=16
    )
    with pytest.raises((AttributeError, TypeError, ImportError)):
        torch.manual_seed(0)
        old.OPTForCausalLM(small).generate(torch.ones(1, 3, dtype=torch.long), max_new_tokens=2)
