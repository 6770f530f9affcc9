"""Ask a model about a picture: `python ask.py run=FOLDER image=photo.jpg question="What is on the table?"`.

Without `run` the configured model answers as it is before tuning. Several pictures are `image=[a.jpg,b.jpg]`, several
turns `question=["...","..."]`: each answer stays in the context of the next question.
"""

from __future__ import annotations

from omegaconf import DictConfig

from vlit.common.entry import entry, prepare


@entry("ask")
def main(cfg: DictConfig) -> None:
    """Print each question and what the model answers."""
    from pathlib import Path

    from vlit.data.templates import TEMPLATES
    from vlit.evaluation.asking import answers
    from vlit.evaluation.runs import upright
    from vlit.tuning import setup

    if cfg.run is None:
        prepare(cfg, folder=cfg.paths.weights)
    setup.seed_everything(cfg.seed)
    source, model = setup.run_model(cfg, cfg.run)
    images, questions = (
        [str(one) for one in ([value] if isinstance(value, str) else value)] for value in (cfg.image, cfg.question)
    )
    encoder, template = setup.encoder(source, model), TEMPLATES[source.model.template]
    said = answers(
        model, encoder, template, [Path(one) for one in images], questions, cfg.max_new_tokens, cfg.num_beams,
        upright(source),
    )  # fmt: skip
    for question, answer in zip(questions, said, strict=True):
        print(f"Q: {question}\nA: {answer}", flush=True)


if __name__ == "__main__":
    main()
