from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from vlit.common.errors import InputError
from vlit.construct.fetch import PublishedFile, download, dry_run, fetch

CONTENT = bytes(range(256)) * 4000  # a megabyte
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves files; `breaks` connections are dropped after a part, and ranges may be ignored."""

    files: dict[str, bytes]
    breaks = 0
    after = 100_000  # bytes until a connection is dropped
    ranges = True
    busy = 0
    log: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(send=False)

    def do_GET(self) -> None:
        self.server.log.append((self.path, self.headers.get("Range")))
        if self.server.busy:
            self.server.busy -= 1
            self.send_error(503)
            return
        self.answer(send=True)

    def answer(self, send: bool) -> None:
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not send:
            return
        if self.server.breaks:
            self.server.breaks -= 1
            self.wfile.write(content[start : start + self.server.after])
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True
            return
        self.wfile.write(content[start:])


@pytest.fixture
def server() -> Iterator[Server]:
    web = Server(("127.0.0.1", 0), Handler)
    web.files, web.log = {"file.bin": CONTENT}, []
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    with contextlib.closing(web.socket):
        yield web
        web.shutdown()


def published(server: Server, name: str = "file.bin", **more: object) -> PublishedFile:
    return PublishedFile(name, f"http://127.0.0.1:{server.server_address[1]}/{name}", **more)  # type: ignore[arg-type]


def test_dropped_connections_are_resumed_where_they_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = 7
    path = download(published(server, md5=MD5), tmp_path, attempts=3, timeout=5, wait=0.01)
    assert path.read_bytes() == CONTENT
    assert [sent for _, sent in server.log] == [None, *(f"bytes={100_000 * n}-" for n in range(1, 8))]
    assert [each.name for each in tmp_path.iterdir()] == ["file.bin"]
    download(published(server, md5=MD5), tmp_path, attempts=3, timeout=5)
    assert len(server.log) == 8, "a file that is here is not fetched again"


def test_another_run_continues_with_what_the_first_left(server: Server, tmp_path: Path) -> None:
    server.breaks, server.after = 3, 0
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:300_000])
    with pytest.raises(InputError, match="3 times in a row: run the same command later"):
        download(published(server, md5=MD5), tmp_path, attempts=3, timeout=5, wait=0.01)
    assert not (tmp_path / "file.bin").exists()
    assert download(published(server, md5=MD5), tmp_path, attempts=3, timeout=5).read_bytes() == CONTENT
    assert server.log[-1][1] == "bytes=300000-"


def test_a_part_that_is_complete_needs_no_byte(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert download(published(server, md5=MD5), tmp_path, attempts=1, timeout=5).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    path = download(published(server, md5=MD5), tmp_path, attempts=2, timeout=5, wait=0.01)
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_from_the_beginning(server: Server, tmp_path: Path) -> None:
    server.breaks, server.ranges = 1, False
    path = download(published(server, md5=MD5), tmp_path, attempts=3, timeout=5, wait=0.01)
    assert path.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.busy = 2
    assert download(published(server), tmp_path, attempts=3, timeout=5, wait=0.01).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"sha256 is {hashlib.sha256(CONTENT).hexdigest()}"):
        download(published(server, sha256="0" * 64), tmp_path, attempts=3, timeout=5)
    assert list(tmp_path.iterdir()) == []


def test_an_absent_file_is_one_line_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="answers 404"):
        download(published(server, "other.bin"), tmp_path, attempts=3, timeout=5)
    assert len(server.log) == 1


def test_a_dry_run_prints_sizes_and_fetches_nothing(server: Server, tmp_path: Path) -> None:
    lines = list(dry_run([published(server, md5=MD5), published(server, "other.bin")], tmp_path / "coco", timeout=5))
    assert (
        "1.0 MB" in lines[0] and "md5" in lines[0] and "size ?" in lines[1] and lines[2].startswith("1.0 MB to fetch")
    )
    assert server.log == [] and not (tmp_path / "coco").exists()


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def test_archives_are_unpacked_and_remembered(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = archive({"annotations/one.json": b"1", "annotations/two.json": b"2"})
    file = published(server, "a.zip", unpack=".", members=("annotations/one.json",))
    assert list(fetch([file], tmp_path, 3, 5)) == [f"a.zip: {len(server.files['a.zip'])} B, 1 files unpacked"]
    assert [path.name for path in (tmp_path / "annotations").iterdir()] == ["one.json"]
    digest = hashlib.sha256(server.files["a.zip"]).hexdigest()
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  a.zip\n"
    assert next(fetch([file], tmp_path, 3, 5)).endswith(" B"), "nothing is unpacked twice"
    (tmp_path / "a.zip").unlink()
    server.files["a.zip"] = archive({"annotations/one.json": b"another"})
    with pytest.raises(InputError, match="differs from an earlier download"):
        list(fetch([file], tmp_path, 3, 5))


@pytest.mark.parametrize("content", [b"no archive", archive({"annotations/two.json": b"2"})])
def test_a_broken_archive_is_one_line(server: Server, tmp_path: Path, content: bytes) -> None:
    server.files["a.zip"] = content
    file = published(server, "a.zip", unpack=".", members=("annotations/one.json",))
    with pytest.raises(InputError, match=r"no readable zip archive|lacks members"):
        list(fetch([file], tmp_path, 3, 5))


def test_a_file_that_is_there_already_is_compared_with_its_digest_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(InputError, match=r"md5 is .* not the published file, remove it"):
        download(published(server, md5=MD5), tmp_path, attempts=3, timeout=5)
    assert server.log == []


def test_only_listed_members_are_unpacked(server: Server, tmp_path: Path) -> None:
    wanted = {"train2014/a.jpg": b"1", "train2014/b.jpg": b"2"}
    server.files["a.zip"] = archive({**wanted, "SHA256SUMS": b"0  b.zip", "../out": b"3", "train2014.txt": b"4"})
    list(fetch([published(server, "a.zip", unpack=".", members=("train2014/",))], tmp_path, 3, 5))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "SHA256SUMS", "a.zip", "train2014/a.jpg", "train2014/b.jpg",
    ]  # fmt: skip
    assert (tmp_path / "SHA256SUMS").read_text().endswith("  a.zip\n")


@pytest.mark.parametrize(
    ("members", "fault"),
    [(("SHA256SUMS",), "the list of digests"), (("b.json",), "part of b.json"), ((), "lists no members")],
)
def test_a_member_never_takes_the_place_of_another_file(server, tmp_path: Path, members, fault: str) -> None:
    files = [published(server, "b.json"), published(server, "a.zip", unpack=".", members=members)]
    with pytest.raises(InputError, match=fault):
        list(fetch(files, tmp_path, 3, 5))
    assert server.log == []


def test_an_archive_that_unpacks_to_hundreds_of_times_its_size_is_refused(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.json", bytes(5_000_000))
    server.files["a.zip"] = buffer.getvalue()
    with pytest.raises(InputError, match="times its size"):
        list(fetch([published(server, "a.zip", unpack=".", members=("a.json",))], tmp_path, 3, 5))
    assert not (tmp_path / "a.json").exists()


def test_every_published_address_is_safe_and_every_archive_lists_what_is_wanted_of_it() -> None:
    files = yaml.safe_load((Path(__file__).parents[2] / "conf" / "fetch.yaml").read_text())["files"]
    assert all(file["url"].startswith("https://") for file in files.values())
    assert all(file.get("members") for file in files.values() if "unpack" in file)
