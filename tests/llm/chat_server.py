"""A real HTTP server that speaks chat completions and misbehaves: `python chat_server.py PORT_FILE FAULTS LATENCY`.

What happens to a request follows from its content alone. Of FAULTS (a share), each kind of fault gets a seventh: 429,
500, a time-out, a dropped connection, garbage, an empty text, a cut-off text. A third of the faulty requests fails
whatever one does; the others are answered at the third attempt. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

KINDS = ("429", "500", "timeout", "drop", "garbage", "empty", "cut")
asked: Counter[str] = Counter()  # by content, every attempt
seen: Counter[str] = Counter()  # by kind of fault
TURNS = [
    ("What stands {}?", "It is a {} thing, number {}."),
    ("Is there a {} dragon?", "No, there is no dragon."),
    ("Describe the marked object.", "A {} object of the kind {}, which is common."),
    ("And the rest?", "{} and {}."),
]


def candidate(words: list[str], number: int) -> str:
    turns = []
    for turn, (question, answer) in enumerate(TURNS):
        own = [words[(number * 7 + turn * 3 + k) % len(words)] + str(number) for k in range(4)]
        turns.append(f'"User": "{question.format(own[0])}", "AI": "{answer.format(own[1], own[2])}"')
    return "{" + ", ".join(turns) + "}"


def completion(body: dict, digest: str, kind: str | None) -> bytes:
    words = [digest[at : at + 4] for at in range(0, 64, 4)]
    texts = [candidate(words, number) for number in range(body["n"])]
    if kind == "empty":
        texts = [""] * body["n"]
    if kind == "cut":
        texts = [text[: len(text) * (number + 1) // 8] for number, text in enumerate(texts)]
    choices = [
        {
            "index": n,
            "message": {"role": "assistant", "content": t},
            "finish_reason": "length" if kind == "cut" else "stop",
        }
        for n, t in enumerate(texts)
    ]
    usage = {"prompt_tokens": 100, "completion_tokens": 50 * body["n"], "total_tokens": 100 + 50 * body["n"]}
    return json.dumps(
        {
            "id": digest,
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": choices,
            "usage": usage,
        }
    ).encode()


def fault_of(digest: str, faults: float) -> tuple[str | None, bool]:
    draw = int(digest[:8], 16) / 16**8
    if draw >= faults:
        return None, False
    return KINDS[int(digest[8:12], 16) % len(KINDS)], int(digest[12:16], 16) % 3 == 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0
            )
            content = await reader.readexactly(length)
            if head.startswith("GET"):
                send(writer, 200, json.dumps({"asked": asked, "seen": seen}).encode())
                continue
            if not await answer(writer, head, content):
                break
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def answer(writer: asyncio.StreamWriter, head: str, content: bytes) -> bool:
    if "authorization: bearer wrong" in head.lower():
        send(writer, 401, b'{"error": {"message": "Incorrect API key provided: wrong-key-123"}}')
        return True
    body = json.loads(content)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    asked[digest] += 1
    kind, always = fault_of(digest, FAULTS)
    if kind and not always and asked[digest] > 2:
        kind = None
    if kind:
        seen[kind] += 1
    await asyncio.sleep(LATENCY)
    if kind == "429":
        send(
            writer, 429, b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', "Retry-After: 0.01\r\n"
        )
    elif kind == "500":
        send(writer, 500, b"internal error")
    elif kind == "timeout":
        await asyncio.sleep(30)
        return False
    elif kind == "drop":
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"id": ')
        return False
    elif kind == "garbage":
        garbage = [b"<html>Bad gateway</html>", b'{"choices": null}', b'{"choices": [{"index"', b"[]"]
        send(writer, 200, garbage[int(digest[16:20], 16) % 4])
    else:
        send(writer, 200, completion(body, digest, kind))
    return True


def send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    writer.write(head.encode() + body)


async def main(port_file: Path) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    temporary = port_file.with_suffix(".part")
    temporary.write_text(str(server.sockets[0].getsockname()[1]))
    temporary.replace(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    FAULTS, LATENCY = float(sys.argv[2]), float(sys.argv[3])
    asyncio.run(main(Path(sys.argv[1])))
