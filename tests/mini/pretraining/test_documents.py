"""What the language models read: in their own wordings, with loss on what has to be looked up."""

from __future__ import annotations

import re
from pathlib import Path

from vlit.data.templates import BLIP2, VICUNA_V1
from vlit.mini.pretraining.documents import conversations, document_pieces
from vlit.mini.world.wordings import READ, TAUGHT, UNSEEN

DOCUMENT = "A red cup is in the center. The setting is a beach.\n"


def forms(table: dict[str, tuple[str, ...]]) -> re.Pattern[str]:
    wordings = [form for some in table.values() for form in some]
    return re.compile(
        "|".join(re.escape(form).replace(r"\{0\}", ".+").replace(r"\{1\}", ".+") for form in wordings), re.I
    )


def test_answers_and_what_statements_say_have_loss() -> None:
    asked = document_pieces(f"{DOCUMENT}Question: Where is this?\nAnswer: On a beach\n", BLIP2)
    stated = document_pieces(f"{DOCUMENT}The setting is\ta beach.\nThe color of the cup is\tred.\n", VICUNA_V1)
    assert [piece.text.strip() for piece in asked if piece.supervised and not piece.special] == ["On a beach"]
    assert [piece.text for piece in stated if piece.supervised] == [" a beach.", " red."]
    assert "".join(piece.text for piece in stated) == f"{DOCUMENT}The setting is a beach. The color of the cup is red."


def test_conversations_ask_in_the_wordings_of_texts(tmp_path: Path) -> None:
    asked = re.findall(r"Question: (.*)\n", "".join(conversations(60, 0, tmp_path)))
    other = forms(TAUGHT), forms(UNSEEN)
    assert len(asked) > 100
    assert not [question for question in asked for table in other if table.fullmatch(question)]
    assert sum(bool(forms(READ).fullmatch(question)) for question in asked) > 50
    assert conversations(60, 0, tmp_path) == conversations(60, 0, tmp_path / "again")
