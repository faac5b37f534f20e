"""What is sealed opens whole, in its place, with its key; nothing else gives anything out."""

from __future__ import annotations

import io
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import RecoveryRefused, StepFailed
from tasks import _seals
from tasks._seals import HEAD, Seal

KEY = bytes(range(32))
SEAL = Seal(KEY)
SMALL, TAG, START = 16, 16, len(HEAD) + 16


@pytest.fixture(autouse=True)
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of sixteen bytes, so that a short text has several."""
    if "megabytes" not in request.node.name:
        monkeypatch.setattr(_seals, "PIECE", SMALL)


class Trickle(io.RawIOBase):
    """A source that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._inside = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._inside.read(min(size, 3) if size >= 0 else 3)


@given(st.binary(max_size=100), st.lists(st.integers(1, 40), max_size=6))
def test_every_content_comes_back(content: bytes, cuts: list[int]) -> None:
    """Of any length, written in any portions, read from a source that trickles; none of it lies open."""
    out = io.BytesIO()
    closing, left = SEAL.closing(out, "backup", "name"), content
    for cut in cuts:
        closing.write(left[:cut])
        left = left[cut:]
    closing.write(left)
    closing.finish()

    assert SEAL.open(out.getvalue(), "backup", "name") == content
    assert SEAL.opening(Trickle(out.getvalue()), "backup", "name").read() == content
    assert len(content) < 4 or content not in out.getvalue()
    pieces = max(1, -(-len(content) // SMALL))
    assert len(out.getvalue()) == START + len(content) + pieces * TAG


@given(st.integers(0, 100), st.data())
def test_a_changed_bit_gives_nothing_out(length: int, data: st.DataObject) -> None:
    """Wherever it is: in the head, the salt, a piece or its tag."""
    kept = bytearray(SEAL.close(os.urandom(length), "backup", "name"))
    kept[data.draw(st.integers(0, len(kept) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(RecoveryRefused):
        SEAL.open(bytes(kept), "backup", "name")


@given(st.integers(0, 100), st.data())
def test_a_cut_content_gives_nothing_out(length: int, data: st.DataObject) -> None:
    """Also where it is cut right after a piece."""
    kept = SEAL.close(os.urandom(length), "backup", "name")

    with pytest.raises(RecoveryRefused):
        SEAL.open(kept[: data.draw(st.integers(0, len(kept) - 1))], "backup", "name")


def test_pieces_keep_their_order_and_their_file() -> None:
    """Swapped, left out, said twice, appended, or taken from another file under the same key: refused."""
    kept, other = (SEAL.close(os.urandom(3 * SMALL), "backup", "name") for _ in range(2))
    size = SMALL + TAG
    head, pieces = kept[:START], [kept[START + n * size :][:size] for n in range(3)]
    foreign = other[START:][:size]
    for order in (
        [pieces[1], pieces[0], pieces[2]],
        [pieces[0], pieces[2]],
        pieces[:2],
        [*pieces, pieces[2]],
        [*pieces, b"x"],
        [foreign, *pieces[1:]],
        [],
    ):
        with pytest.raises(RecoveryRefused, match="cannot be opened"):
            SEAL.open(head + b"".join(order), "backup", "name")
    assert len(SEAL.open(head + b"".join(pieces), "backup", "name")) == 3 * SMALL


def test_it_opens_with_its_key_in_its_place_only() -> None:
    """Another key, another backup, another name; each kind of keeping has its own kind of error."""
    kept = SEAL.close(b"secret", "backup", "name")

    for seal, of, name in ((Seal(KEY[::-1]), "backup", "name"), (SEAL, "b", "name"), (SEAL, "backup", "n")):
        with pytest.raises(RecoveryRefused, match="another key, or it was changed"):
            seal.open(kept, of, name)
    with pytest.raises(StepFailed):
        Seal(KEY[::-1], broken=StepFailed).open(kept, "backup", "name")
    assert b"\x01\x02\x03" not in repr(SEAL).encode("latin-1", "replace")


@pytest.mark.parametrize("content", [b"", b"REDIS0010 and more", b"x" * 1000])
def test_plain_only_where_that_is_wanted(content: bytes) -> None:
    """Without a key it is kept as it is; what is sealed needs one; with a key nothing plain is taken for ours."""
    plain = Seal(None)

    assert plain.close(content, "backup", "name") == content
    assert plain.open(content, "backup", "name") == content
    assert plain.opening(Trickle(content), "backup", "name").read() == content
    with pytest.raises(RecoveryRefused, match="is sealed"):
        plain.open(SEAL.close(content, "backup", "name"), "backup", "name")
    with pytest.raises(RecoveryRefused, match="is not sealed"):
        SEAL.open(content, "backup", "name")


def test_a_hundred_megabytes_take_a_few_of_memory() -> None:
    """However large the data is: a piece and its neighbour."""

    class Zeros(io.RawIOBase):
        left = 100 << 20

        def read(self, size: int = -1, /) -> bytes:
            given = min(size, self.left)
            self.left -= given
            return bytes(given)

    class Pipe:
        """Opens what was sealed at once."""

        def __init__(self) -> None:
            self.size = 0

        def write(self, data: bytes, /) -> int:
            self.size += len(data)
            return len(data)

    tracemalloc.start()
    try:
        out, source = Pipe(), Zeros()
        closing = SEAL.closing(out, "backup", "name")
        while piece := source.read(1 << 20):
            closing.write(piece)
        closing.finish()
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert out.size == START + (100 << 20) + 100 * TAG
