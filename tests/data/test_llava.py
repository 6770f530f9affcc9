import json

import pytest

from vlit.common.errors import InputError
from vlit.data.formats.llava import read_llava
from vlit.data.images import FileImage
from vlit.data.sample import Rejects, Sample, Turn


def said(*values):
    return [{"from": ("human", "gpt")[number % 2], "value": value} for number, value in enumerate(values)]


@pytest.fixture
def read(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.png")
    write_image(tmp_path / "images" / "b.png", (0, 255, 0))
    (tmp_path / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")

    def run(*entries, **options):
        path = tmp_path / "llava.json"
        path.write_text(json.dumps(entries))
        rejects = Rejects()
        return read_llava(path, tmp_path / "images", rejects, **options), rejects

    return run


def test_multi_turn_sample(read, tmp_path):
    entry = {
        "id": "000000033471",
        "image": "a.png",
        "conversations": said("What colour?\n<image>", "Red.", " And the bus? ", "White.\n"),
    }
    samples, rejects = read(entry, task="conversation")
    assert samples == [
        Sample(
            id="llava/000000",
            images=(FileImage(tmp_path / "images" / "a.png"),),
            turns=(Turn("What colour?", "Red.", images=1), Turn("And the bus?", "White.")),
            source_id="000000033471",
            task="conversation",
        )
    ]
    assert not rejects.rows


def test_image_tag_may_be_anywhere_or_nowhere(read):
    texts = ["<image>\nWhat?", "What?\n<image>", "What?"]
    samples, _ = read(*[{"id": "1", "image": "a.png", "conversations": said(text, "A.")} for text in texts])
    assert [sample.turns for sample in samples] == [(Turn("What?", "A.", images=1),)] * 3


def test_tag_in_a_later_turn_stays_there(read):
    (sample,), _ = read({"id": "1", "image": "a.png", "conversations": said("Hi", "Hello.", "<image>\nWhat?", "A.")})
    assert [turn.images for turn in sample.turns] == [0, 1]


def test_several_images(read):
    entry = {"id": "1", "image": ["a.png", "b.png"], "conversations": said("<image><image>Which?", "A.")}
    (sample,), _ = read(entry)
    assert len(sample.images) == sample.turns[0].images == 2


def test_text_alone(read):
    (sample,), _ = read({"id": "1", "conversations": said("Hi", "Hello.")})
    assert sample.images == ()
    assert sample.turns == (Turn("Hi", "Hello."),)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"id": ["1"], "conversations": said("Q", "A")}, "field of another type"),
        ({"id": "1", "image": "absent.png", "conversations": said("Q", "A")}, "missing image"),
        ({"id": "1", "image": "broken.png", "conversations": said("Q", "A")}, "unreadable image"),
        ({"id": "1", "image": 7, "conversations": said("Q", "A")}, "field of another type"),
        ({"id": "1", "conversations": said("<image>Q", "A")}, "image tags differ from images"),
        ({"id": "1", "image": "a.png", "conversations": said("<image><image>Q", "A")}, "image tags differ from images"),
        ({"id": "1", "conversations": []}, "no conversation"),
        ({"id": "1"}, "no conversation"),
        ({"id": "1", "conversations": said("Q")}, "turns do not alternate"),
        ({"id": "1", "conversations": said("Q", "A", "Q")}, "turns do not alternate"),
        ({"id": "1", "conversations": said("Q", "A")[::-1]}, "turns do not alternate"),
        ({"id": "1", "conversations": ["Q", "A"]}, "field of another type"),
        ({"id": "1", "conversations": said("Q", " \n")}, "empty response"),
        ({"id": "1", "image": "a.png", "conversations": said("<image>\n", "A")}, "empty instruction"),
        ({"id": "1", "conversations": said("Q", None)}, "response is not text"),
        ({"id": "1", "conversations": said(3, "A")}, "instruction is not text"),
        ({"id": "1", "conversations": said("Q", "A</s>USER: B")}, "special token in text"),
        ({"id": "1", "conversations": said("Q <|endofchunk|>", "A")}, "special token in text"),
        ({"id": "1", "image": "a.png", "conversations": said("Q", "see <image>")}, "special token in text"),
        ({"id": "1", "conversations": said("Q", "\ud83d")}, "text is not valid Unicode"),
        ("text", "not a sample"),
    ],
)
def test_unusable_samples_are_set_aside_with_their_reason(read, entry, reason):
    good = {"id": "9", "conversations": said("Q", "A")}
    samples, rejects = read(entry, good, name="mine")
    assert [sample.id for sample in samples] == ["mine/000001"]  # ids are places in the file, whatever is set aside
    assert [(row.sample_id, row.reason) for row in rejects.rows] == [("mine/000000", reason)]


def test_image_check_can_be_put_off(read):
    entry = {"id": "1", "image": "broken.png", "conversations": said("Q", "A")}
    samples, rejects = read(entry, check=None)
    assert len(samples) == 1
    assert not rejects.rows


@pytest.mark.parametrize(
    ("content", "message"),
    [('[{"id": "1", "conv', "not valid JSON"), ('{"a": 1}', "must be a list"), (None, "no file")],
)
def test_broken_file_is_one_line_naming_it(tmp_path, content, message):
    path = tmp_path / "llava.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_llava(path, tmp_path, Rejects())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_image_folder(tmp_path):
    (tmp_path / "llava.json").write_text(json.dumps([{"id": "1", "image": "a.png", "conversations": said("Q", "A")}]))
    with pytest.raises(InputError, match="no image folder"):
        read_llava(tmp_path / "llava.json", tmp_path / "nowhere", Rejects())
