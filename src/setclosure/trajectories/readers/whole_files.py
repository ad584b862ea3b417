"""Files whose readers leave an incomplete last frame out in silence are checked for being whole."""

from __future__ import annotations

from pathlib import Path

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.text import cut_off, opened

MARKER = 4
"""Bytes of a marker around a record of Fortran."""

XTC_MAGIC = (1995, 2023)
"""The number that begins a frame of an XTC file; frames of the second kind may be longer."""

XTC_HEAD = 56
"""Bytes of a frame before its particles: numbers of particles and step, time, box, number of particles again."""

XTC_BOUNDS = 32
"""Bytes of precision, bounds and bits before the length of compressed coordinates."""

UNCOMPRESSED = 9
"""The most particles whose coordinates are not compressed."""

TITLE = 80
"""Bytes of a title in the second record."""


def require_whole(path: Path, kind: str, open_end: bool = False) -> None:
    """Require that a file ends where a frame ends.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Its format.
    open_end : bool
        Whether a last line of text without a line break is whole.

    Raises
    ------
    ReaderError
        If it does not; the message names the line or the byte.
    """
    if not path.is_file():
        raise ReaderError(f"{path} is not there.")
    if kind in ("DCD", "LAMMPS"):
        _require_whole_records(path)
    elif kind == "XTC":
        _require_whole_xtc(path)
    elif kind == "XYZ":
        _require_whole_xyz(path, open_end)
    elif kind == "PDB":
        _require_whole_pdb(path, open_end)


def _require_whole_records(path: Path) -> None:
    size = path.stat().st_size
    if size == 0:
        raise ReaderError(f"{path} is empty; expected a DCD file.")
    with path.open("rb") as stream:
        first = stream.read(MARKER)
        order = "little" if int.from_bytes(first, "little") == 84 else "big"
        if int.from_bytes(first, order) != 84:  # type: ignore[arg-type]
            return  # markers of 8 bytes, or no DCD file: MDAnalysis says
        begin = record = 0
        while begin < size:
            stream.seek(begin)
            length = int.from_bytes(stream.read(MARKER), order)  # type: ignore[arg-type]
            expected = length
            if record == 1:  # some programs write the length of two titles, and three titles
                length = MARKER + TITLE * int.from_bytes(stream.read(MARKER), order)  # type: ignore[arg-type]
            stream.seek(begin + MARKER + length)
            closing = stream.read(MARKER)
            if len(closing) < MARKER or int.from_bytes(closing, order) != expected:  # type: ignore[arg-type]
                raise ReaderError(
                    f"{path} is cut off or damaged in the record that begins at byte {begin}; expected {length} bytes "
                    "and their number again. Copy the file again."
                )
            begin += length + 2 * MARKER
            record += 1


def _require_whole_xtc(path: Path) -> None:
    size = path.stat().st_size
    if size == 0:
        raise ReaderError(f"{path} is empty; expected an XTC file.")
    with path.open("rb") as stream:
        begin = frame = 0
        while begin < size:
            stream.seek(begin)
            head = stream.read(XTC_HEAD)
            magic, n = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
            if magic not in XTC_MAGIC:
                raise ReaderError(
                    f"{path}, frame {frame}, byte {begin}: the number {magic} begins it; expected 1995 or 2023, as in "
                    "an XTC file. The file is damaged or of another format."
                )
            if n <= UNCOMPRESSED:
                end = begin + XTC_HEAD + 12 * n
            else:
                stream.seek(begin + XTC_HEAD + XTC_BOUNDS)
                wide = 8 if magic == XTC_MAGIC[1] else 4
                length = int.from_bytes(stream.read(wide), "big")
                end = begin + XTC_HEAD + XTC_BOUNDS + wide + -(-length // 4) * 4
            if end > size:
                raise ReaderError(
                    f"{path} ends at byte {size}, within frame {frame}, which begins at byte {begin}; expected {end}. "
                    "It is cut off: copy it again."
                )
            begin, frame = end, frame + 1


def _require_whole_xyz(path: Path, open_end: bool) -> None:
    with opened(path) as lines:
        frame = 0
        while line := lines.line():
            if not line.strip():
                continue
            try:
                n = int(line)
            except ValueError:
                text = line.decode(errors="replace").strip()
                raise lines.wrong(f"{text[:40]!r}", f"the number of particles of frame {frame}") from None
            lines.skip(1, f"frame {frame}")
            last = b""
            for _ in range(n):
                last = lines.line()
                if len(last.split()) < 4:
                    if not last:
                        raise cut_off(lines, f"frame {frame}")
                    raise lines.wrong(f"{last.decode(errors='replace').strip()[:40]!r}", "a name and three coordinates")
            if n and not open_end and not last.endswith(b"\n"):
                raise cut_off(lines, f"frame {frame}")
            frame += 1
        if not frame:
            raise ReaderError(f"{path} is empty; expected an XYZ file.")


def _require_whole_pdb(path: Path, open_end: bool) -> None:
    with opened(path) as lines:
        last, model = b"", 0
        while line := lines.line():
            last = line
            if line.startswith(b"MODEL "):
                model = lines.number
            elif line.startswith((b"ENDMDL", b"END")):
                model = 0
        if model:
            raise lines.wrong(
                f"the file ends within the model that begins at line {model}", "a line ENDMDL", "It may be cut off."
            )
        if not open_end and not last.endswith(b"\n") and last.strip() not in (b"END", b"ENDMDL"):
            raise cut_off(lines, "the last record")
