import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.common.errors import InputError
from vlit.data.images import FileImage
from vlit.data.sample import Sample, Turn
from vlit.data.subset import KeptIds, equal_size, fingerprint, read_kept, sample_ids, select, write_kept

IDS = st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=30)


@given(ids=IDS, seed=st.integers(0, 99), data=st.data())
def test_draw_is_a_subsequence_of_the_asked_size(ids, seed, data):
    size = data.draw(st.integers(0, len(ids)))
    drawn = sample_ids(ids, size, seed)
    assert len(drawn) == size
    assert drawn == [item for item in ids if item in set(drawn)]
    shuffled = data.draw(st.permutations(ids))
    assert set(sample_ids(shuffled, size, seed)) == set(drawn)


def test_draws_are_uniform_enough_and_depend_on_the_seed():
    ids = [f"{number:02d}" for number in range(10)]
    counts = dict.fromkeys(ids, 0)
    for seed in range(2000):
        for item in sample_ids(ids, 3, seed):
            counts[item] += 1
    assert all(abs(count - 600) < 120 for count in counts.values())  # six standard deviations


def test_impossible_draws():
    with pytest.raises(InputError, match="draw 3 of 2"):
        sample_ids(["a", "b"], 3, 0)
    with pytest.raises(InputError, match="1 ids repeat"):
        sample_ids(["a", "b", "a"], 1, 0)


def test_equal_size_is_the_smallest():
    assert equal_size({"llava": 10, "mimic_it": 7, "ours": 9}) == 7
    with pytest.raises(InputError, match="mimic_it"):
        equal_size({"llava": 10, "mimic_it": 0})
    with pytest.raises(InputError):
        equal_size({})


def test_select_keeps_the_lists_order():
    samples = [Sample(item, (), (Turn("q", "a"),)) for item in "abc"]
    assert select(samples, ["c", "a"]) == [samples[2], samples[0]]
    with pytest.raises(InputError, match=r"2 of 3 ids are not in the store \(first: x\)"):
        select(samples, ["a", "x", "y"])


def test_kept_ids_round_trip(tmp_path):
    kept = KeptIds("ours", "abc", ("ours/global/000001", "ours/global/000000"))
    write_kept(tmp_path / "kept_ids.json", kept)
    assert read_kept(tmp_path / "kept_ids.json") == kept


@pytest.mark.parametrize("content", ['{"dataset": "ours", "ids": []}', "[]", '{"dataset": '])
def test_broken_kept_ids(tmp_path, content):
    (tmp_path / "kept_ids.json").write_text(content)
    with pytest.raises(InputError, match=r"kept_ids\.json"):
        read_kept(tmp_path / "kept_ids.json")
    with pytest.raises(InputError, match="no file"):
        read_kept(tmp_path / "absent.json")


def test_fingerprint_follows_content_not_place(tmp_path, write_image):
    def samples(folder, response="a", colour=(255, 0, 0)):
        image = FileImage(write_image(tmp_path / folder / "i.png", colour))
        return [Sample("s/0", (image,), (Turn("q", response, 1),)), Sample("s/1", (), (Turn("q", "a"),))]

    here = fingerprint(samples("here"))
    assert fingerprint(samples("there")) == here
    assert fingerprint(samples("here", response="b")) != here
    assert fingerprint(samples("here")[::-1]) != here
    assert fingerprint(samples("here")[:1]) != here
