from vlit.common.files import read_jsonl
from vlit.data.sample import Rejects


def test_counts_summary_and_file(tmp_path):
    rejects = Rejects()
    assert rejects.summary() == "no sample set aside"
    rejects.add("s/0", "empty response")
    rejects.add("s/1", "missing image", "a.jpg")
    rejects.add("s/2", "missing image", "x" * 9999)
    rejects.add_part("s/3", "in-context example left out")
    assert len(rejects) == 3
    assert rejects.counts() == {"missing image": 2, "empty response": 1, "in-context example left out": 1}
    assert rejects.summary().startswith("3 samples set aside (missing image 2, ")
    rejects.write(tmp_path / "rejects.jsonl")
    rows = read_jsonl(tmp_path / "rejects.jsonl")
    assert rows[1] == {"sample_id": "s/1", "reason": "missing image", "detail": "a.jpg", "sample_kept": False}
    assert len(rows[2]["detail"]) < 1000
