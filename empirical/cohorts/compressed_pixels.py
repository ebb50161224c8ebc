"""Pixels of compressed DICOM files: which decoder reads them, and GDCM in a separate process.

pydicom tries all installed decoders, GDCM first. But a damaged stream makes GDCM end the whole process (an uncaught exception in C++). So
here GDCM is tried last, only for formats that the others do not know (JPEG lossless, JPEG-LS), and in a separate process, so that a crash
costs only one file. Pillow comes first, so that pictures which it can read do not change with the extra 'dicom'.
"""

from __future__ import annotations

import atexit
import io
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

EXTRA = ("pylibjpeg", "openjpeg", "gdcm")  # modules of the extra 'dicom'
ORDER = ("pydicom", "pillow", "pylibjpeg")
EXTRA_READS = ("57", "70", "80", "81", "90", "91", "201", "202", "203")  # 1.2.840.10008.1.2.4.: JPEG lossless, JPEG-LS, (HT)JPEG 2000
TWELVE_BITS = "1.2.840.10008.1.2.4.51"  # JPEG Extended: with more than 8 bits only libjpeg's plugin for pylibjpeg reads it
PATIENCE = 120  # seconds for a file; a decoder may loop forever
LENGTH = struct.Struct("<q")


def decode(path: Path, dataset: Dataset, frame: int) -> NDArray[Any]:
    """Decode one frame (from 0) of a compressed file; colour comes as RGB. Raises the exceptions of pydicom and the decoders."""
    from pydicom.pixels import get_decoder, pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    known = get_decoder(syntax).available_plugins
    order = [name for name in ORDER if name in known] + [name for name in known if name not in (*ORDER, "gdcm")]
    if not order and "gdcm" in known:
        return _ask_worker(path, frame)
    problems = []
    for name in order:
        try:
            return pixel_array(dataset, index=frame, decoding_plugin=name)
        except Exception as error:  # each decoder has its own exceptions
            problems.append(_reason(error))
    raise ValueError("; ".join(problems) or "no decoder is installed")


def advice(dataset: Dataset) -> str:
    """Say what may help with a file whose pixels no decoder can read."""
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    if syntax == TWELVE_BITS and find_spec("libjpeg") is None:
        return (
            "only pylibjpeg-libjpeg reads it, which is under the GPL: install it if that licence suits you, or save the file uncompressed"
        )
    lacking = any(find_spec(name) is None for name in EXTRA) and syntax.rpartition("1.2.840.10008.1.2.4.")[2] in EXTRA_READS
    return "pip install 'see-in-pairs[dicom]' adds decoders; or save it uncompressed" if lacking else "save it uncompressed"


def _reason(error: Exception) -> str:
    """Take the last line of pydicom's error, which names the decoder and its message."""
    return (str(error).rpartition("\n")[2].strip() or type(error).__name__)[:200]


class _Worker:
    """A process that decodes with GDCM, one file at a time; it ends when its input is closed, also when this process ends in any way."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-c", f"from {__name__} import serve; serve()"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)

    def decode(self, path: Path, frame: int) -> NDArray[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            _send(self._process.stdin, f"{frame} {path}".encode("utf-8", "surrogateescape"))
            answer = _receive(self._process.stdout)
        except (BrokenPipeError, EOFError):
            raise ChildProcessError("GDCM crashed while it read the file, so the file is damaged") from None
        finally:
            timer.cancel()
        if answer[:1] == b"E":
            raise ValueError(answer[1:].decode(errors="replace"))
        return np.asarray(np.load(io.BytesIO(answer[1:]), allow_pickle=False))

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


_idle: list[_Worker] = []


def _ask_worker(path: Path, frame: int) -> NDArray[Any]:
    """Decode in an idle worker or a new one; a worker that has ended is not used again."""
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    if worker.has_ended():
        worker.close()
        worker = _Worker()
    try:
        pixels = worker.decode(path, frame)
    except ChildProcessError:
        worker.close()
        raise
    except ValueError:
        _idle.append(worker)
        raise
    _idle.append(worker)
    return pixels


@atexit.register
def _close_workers() -> None:
    while _idle:
        _idle.pop().close()


def serve() -> None:
    """Decode the files that the parent process sends, until it closes the pipe."""
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    source, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what the library prints must not reach the answer
    while True:
        try:
            frame, _, path = _receive(source).decode("utf-8", "surrogateescape").partition(" ")
        except EOFError:
            return
        try:
            content = io.BytesIO()
            np.save(content, pixel_array(dcmread(path), index=int(frame), decoding_plugin="gdcm"), allow_pickle=False)
            _send(answers, b"A" + content.getvalue())
        except Exception as error:  # whatever it is, the parent says it of this file
            _send(answers, b"E" + _reason(error).encode(errors="replace"))


def _send(stream: Any, content: bytes) -> None:
    stream.write(LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: Any) -> bytes:
    head = stream.read(LENGTH.size)
    content: bytes = stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
    if len(head) < LENGTH.size or len(content) < LENGTH.unpack(head)[0]:
        raise EOFError
    return content
