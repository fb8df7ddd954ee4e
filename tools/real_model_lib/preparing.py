"""Download, check, unpack and convert: from the package registry to a ``Folder`` that serves and scores."""

from __future__ import annotations

import copy
import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from real_model_lib.folder import REQUIREMENTS, Folder

LAYERS_LEFT_OUT = 8
"""Of 30. On 12 real pairs the gap IFD_small − IFD_large was above 0 for 4 with 2 layers less, for 7 with 4, for 11 with
8: fewer would be noise."""


class NotPrepared(Exception):
    """The models cannot be had here; the message says why."""


def prepare(folder: Folder) -> bool:
    """Set everything up, once for all processes of this user; returns whether there was anything to do.

    Raises:
        NotPrepared: the downloads fail or are not what they should be, or something does not fit onto the disk.
    """
    try:
        with _alone(folder.root.with_name(folder.root.name + ".lock")):
            if folder.is_ready:
                return False
            part = Folder(folder.root.with_name(folder.root.name + ".part"))
            shutil.rmtree(part.root, ignore_errors=True)
            _download(part)
            _unpack_embedder(part)
            _convert(part)
            part.root.rename(folder.root)
            return True
    except OSError as error:
        raise NotPrepared(f"{folder.root}: {error}") from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(folder: Folder) -> None:
    """Let pip fetch the wheels and refuse whatever has another SHA-256."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    places = ["--target", str(folder.packages), "-r", str(REQUIREMENTS)]
    command = [sys.executable, "-m", "pip", "install", *options, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.splitlines()
        faults = [line for line in said if line.startswith("ERROR")] or said[-1:]
        raise NotPrepared("pip cannot install tools/real_model_lib/requirements.txt: " + " ".join(faults))


def _unpack_embedder(folder: Folder) -> None:
    with zipfile.ZipFile(folder.embedder_archive) as archive:
        archive.extractall(folder.embedder)


def _convert(folder: Folder) -> None:
    """Make the scorer's two models of the GGUF, in bfloat16."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, str(folder.packages))  # transformers reads GGUF with the package of this name
    import torch  # noqa: PLC0415 - slow to load
    import transformers  # noqa: PLC0415 - slow to load

    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    place, file = folder.gguf.parent, folder.gguf.name
    tokenizer = library.AutoTokenizer.from_pretrained(place, gguf_file=file)
    packed = library.AutoModelForCausalLM.from_pretrained(place, gguf_file=file, dtype=torch.float32)
    # A model that was read from GGUF refuses to be saved; its weights in a fresh model of the same shape do not.
    config = copy.deepcopy(packed.config)
    del config.quantization_config
    large = library.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    large.load_state_dict(packed.state_dict())
    for model, place in ((large, folder.large), (_shallower(large, LAYERS_LEFT_OUT), folder.small)):
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)


def _shallower(model: Any, left_out: int) -> Any:
    """A copy without some layers past the middle, where a transformer misses them least."""
    smaller = copy.deepcopy(model)
    layers = list(smaller.model.layers)
    first = (len(layers) - left_out) * 2 // 3
    del layers[first : first + left_out]
    smaller.model.layers = type(smaller.model.layers)(layers)
    smaller.config.num_hidden_layers = len(layers)
    return smaller
