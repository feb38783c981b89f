"""Fetches for the tests of the pool: what is at an address, and what goes wrong there.

Imported in decoding processes by name, so this folder is on their path.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmError, FilmStatus


class DictFetch:
    """Films in a dict; each read is a line of `log`, and what was in flight then."""

    def __init__(self, films, *, threads=3, log=None):
        self.films, self.threads, self.log = films, threads, log

    def read(self, path, size, etag, max_bytes):
        content = self.films[path]
        assert size in (0, len(content))
        assert len(content) <= max_bytes
        if self.log:
            with self.log.open("a") as file:
                file.write(f"{os.getpid()} {path} {etag}\n")
        return content


class WordFetch:
    """Each address says what is to happen: ``test://slow/3``."""

    threads = 3

    def __init__(self, folder=None):
        self.folder = folder

    def read(self, path, size, etag, max_bytes):
        parts = urlsplit(path)
        number = parts.path.strip("/")
        if parts.netloc == "slow":
            time.sleep(3)
        elif parts.netloc == "missing":
            raise FilmError(FilmStatus.MISSING, "The store has no such film.")
        elif parts.netloc == "stop":
            raise InputError("The credentials have expired.", "Get new ones.")
        elif parts.netloc == "dies":
            os._exit(3)
        elif parts.netloc == "dies_once":
            flag = Path(self.folder) / number
            if not flag.exists():
                flag.touch()
                os._exit(3)
        elif parts.netloc == "bug":
            raise KeyError("https://secret@host/")
        elif parts.netloc == "memory":
            raise MemoryError
        return b"TROUBLE grey " + number.encode()


class CountingFetch:
    """Holds every read until so many are in flight, and notes the most that ever were."""

    def __init__(self, threads, together, folder):
        self.threads, self.together, self.folder = threads, together, folder
        self.__setstate__(self.__dict__)

    def __getstate__(self):
        return {"threads": self.threads, "together": self.together, "folder": self.folder}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.lock, self.flying, self.most = threading.Lock(), 0, 0

    def read(self, path, size, etag, max_bytes):
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
            (Path(self.folder) / str(os.getpid())).write_text(str(self.most))
        end = time.monotonic() + 5
        while self.most < self.together and time.monotonic() < end:
            time.sleep(0.002)
        with self.lock:
            self.flying -= 1
        return b"TROUBLE grey " + path.rpartition("/")[2].encode()
