import pytest

from vlit.common.files import read_jsonl
from vlit.data.sample import Rejects, SourceCount


def test_counts_summary_and_file(tmp_path):
    rejects = Rejects()
    assert rejects.summary() == "no sample set aside"
    rejects.add("s/0", "empty response")
    rejects.add("s/1", "missing image", "a.jpg", place="data.json[1]", field="image")
    rejects.add("s/2", "missing image", "x" * 9999)
    rejects.add_part("s/3", "in-context example left out")
    assert len(rejects) == 3
    assert rejects.counts() == {"missing image": 2, "empty response": 1, "in-context example left out": 1}
    assert rejects.summary().startswith("3 samples set aside (missing image 2, ")
    rejects.write(tmp_path / "rejects.jsonl")
    rows = read_jsonl(tmp_path / "rejects.jsonl")
    assert rows[1] == {
        "sample_id": "s/1", "reason": "missing image", "detail": "a.jpg", "sample_kept": False,
        "place": "data.json[1]", "field": "image",
    }  # fmt: skip
    assert len(rows[2]["detail"]) < 1000


def test_counts_of_a_source_close():
    rejects = Rejects()
    rejects.add("s/0", "empty response")
    rejects.add_part("s/1", "conversation cut", "2 of 5 turns")
    assert rejects.close("a.json", rows=4, kept=2, noted=1) == SourceCount("a.json", 4, 2, 1, 1)
    rejects.add("t/0", "missing image")
    assert rejects.close("b.json", rows=1, kept=0).rejected == 1
    with pytest.raises(RuntimeError, match=r"c\.json: 3 rows, but 2 kept"):
        rejects.close("c.json", rows=3, kept=2)


def test_the_file_begins_with_the_counts_of_each_source(tmp_path):
    rejects = Rejects()
    rejects.add("s/0", "empty response")
    rejects.close("a.json", rows=2, kept=1)
    rejects.write(tmp_path / "rejects.jsonl")
    counts, row = read_jsonl(tmp_path / "rejects.jsonl")
    assert counts == {"source": "a.json", "rows": 2, "kept": 1, "rejected": 1, "noted": 0}
    assert row["sample_id"] == "s/0"
