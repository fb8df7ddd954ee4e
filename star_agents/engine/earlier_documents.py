"""Chunks of documents that the store of a folder has taken in, by whatever run: looked up while others are read."""

from __future__ import annotations

from pathlib import Path

from star_agents.storage.connection import STORE_FILE
from star_agents.storage.reader import StoreReader
from star_agents.text.minhash import Signature


class EarlierDocuments:
    """Looks up in the store of a folder; the file is opened when it is first needed. Used by one thread at a time.

    Args:
        folder: That holds the store, or may hold one later; ``None``: nothing was taken in.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._reader: StoreReader | None = None

    def find(self, one: Signature, least: float) -> tuple[str, str] | None:
        """Id and source of the seed that is most similar to a signature, where that is ``least`` or more.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._folder is None:
            return None
        if self._reader is None:
            if not (self._folder / STORE_FILE).is_file():
                return None
            self._reader = StoreReader(self._folder)
        earlier = self._reader.near_texts.find([one], least)
        return None if earlier is None else (earlier.seed_id, earlier.name)

    def close(self) -> None:
        """Close the file; a later look-up opens it again."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
