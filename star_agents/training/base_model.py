"""The model that a training begins with: where it lies, how large it is, what licence it has. Nothing of it is loaded.

Of a model on the hub the small files are fetched first; its weights only once it is known that they fit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import yaml
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from star_agents.errors import UsageError
from star_agents.text.content_hash import digest, digest_of_ends
from star_agents.text.model_names import names_a_folder
from star_agents.training.memory import ModelSize

SMALL_FILES = ["*.json", "*.jinja", "*.model", "*.txt", "README.md", "LICENSE*"]
WEIGHTS = "*.safetensors"
INDEX = "model.safetensors.index.json"
"""Of weights in several files: which of them there are."""
LONGEST_HEADER = 100 << 20
"""Bytes of a header that is read (the format's own limit)."""
LONGEST_CARD = 1 << 20
LICENCE_KEYS = ("license", "license_name", "license_link")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseModel:
    """A model on disk."""

    name: str
    """As the user gave it."""
    folder: Path
    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    """Its generation_config.json; empty where there is none."""
    size: ModelSize | None
    """``None`` where no header says it: weights that are no safetensors."""
    licence: Mapping[str, str]
    """``license``, ``license_name``, ``license_link`` as its card says; empty: it does not say."""
    hub_name: str
    """Its name on the hub, or that of the model that it was made of, as its card says; empty: nobody says."""

    @property
    def fingerprint(self) -> str:
        """Of its config, and of the sizes and ends of its weights, which have to be on disk (``fetch_weights``)."""
        return _fingerprint(self.config, [*_weights(self.name, self.folder), *sorted(self.folder.glob("*.bin"))])


def find_base(name: str, path: str) -> BaseModel:
    """The model of that name, which lies at ``path`` (a folder or a Hugging Face name).

    Raises:
        UsageError: there is none, or it is none that can be trained.
    """
    folder, hub_name = Path(path).expanduser(), ""
    if not folder.is_dir():
        if names_a_folder(path):
            raise UsageError(f"model {name}: there is no such folder: {folder.absolute()}")
        hub_name, folder = path, _from_hub(path, SMALL_FILES)
    config = _json_object(name, folder / "config.json")
    if config is None:
        adapter = " (it holds an adapter of LoRA: merge it first)" if (folder / "adapter_config.json").is_file() else ""
        raise UsageError(f"model {name}: {folder} holds no config.json, so it is no model{adapter}")
    parameters, front = _parameters(name, path, folder), _front_matter(folder)
    made_of = front.get("base_model")
    return BaseModel(
        name=name,
        folder=folder,
        config=config,
        generation=_json_object(name, folder / "generation_config.json") or {},
        size=ModelSize.of(config, parameters) if parameters else None,
        licence={key: front[key] for key in LICENCE_KEYS if isinstance(front.get(key), str)},
        hub_name=hub_name or (made_of if isinstance(made_of, str) and not names_a_folder(made_of) else ""),
    )


def fetch_weights(base: BaseModel, path: str) -> None:
    """Have the weights of a model on disk. Raises UsageError where the hub does not give them."""
    if not Path(path).expanduser().is_dir() and not _has_weights(base.name, base.folder):
        _from_hub(path, [*SMALL_FILES, WEIGHTS])


def _from_hub(name: str, patterns: list[str]) -> Path:
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except GatedRepoError as error:
        fix = "ask for access on its page, and set HF_TOKEN"
        raise UsageError(f"model {name}: the hub gives it only to those who were granted access: {fix}") from error
    except RepositoryNotFoundError as error:
        fix = "check the name; a folder is named with ./ before it; a private one needs HF_TOKEN"
        raise UsageError(f"model {name}: neither a folder nor a model of the hub is called so ({fix})") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        fix = "name a folder, or fetch it where there is a network: `hf download " + name + "`"
        raise UsageError(
            f"model {name}: there is no folder of that name, it is not in the hub's cache on this machine, and the hub "
            f"cannot be reached ({fix})"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise UsageError(f"model {name}: the hub does not give it: {str(error).strip().splitlines()[0]}") from error


def _json_object(name: str, path: Path) -> Mapping[str, Any] | None:
    """What a file of the model says; ``None`` where there is no such file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"model {name}: {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"model {name}: {path} is no JSON object")
    return found


def _parameters(name: str, path: str, folder: Path) -> int:
    if _has_weights(name, folder):
        return sum(parameters_in(file) for file in _weights(name, folder))
    if Path(path).expanduser().is_dir():
        if lacks := [file.name for file in _weights(name, folder) if not file.is_file()]:
            raise UsageError(f"model {name}: {folder} lacks {', '.join(lacks[:3])}, which its {INDEX} names")
        return 0
    if any(folder.glob("*.bin")):
        return 0
    try:
        found = huggingface_hub.get_safetensors_metadata(path)
    except Exception as error:  # a dozen kinds, from the network to the repository's form
        raise UsageError(f"model {name}: the hub does not tell its size: {str(error).splitlines()[0]}") from error
    return sum(found.parameter_count.values())


def _weights(name: str, folder: Path) -> list[Path]:
    """Its files of weights: those that its index names, which may not be there yet, or else all that there are."""
    index = _json_object(name, folder / INDEX)
    if index is None:
        return sorted(folder.glob(WEIGHTS))
    named = index.get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(file, str) for file in named.values()):
        raise UsageError(f"model {name}: {folder / INDEX} tells no files of weights")
    return [folder / file for file in sorted(set(named.values()))]


def _has_weights(name: str, folder: Path) -> bool:
    """Whether all of them are there: a download may have been broken off between two files."""
    files = _weights(name, folder)
    return bool(files) and all(file.is_file() for file in files)


def parameters_in(file: Path) -> int:
    """Weights in a file of safetensors, by its header. Raises UsageError."""
    try:
        with file.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if not 0 < length <= LONGEST_HEADER:
                raise ValueError(f"a header of {length:,} bytes")
            header = json.loads(handle.read(length))
        tensors = [entry for tensor, entry in header.items() if tensor != "__metadata__"]
        missing = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0) - file.stat().st_size
        if missing > 0:
            raise ValueError(f"its last {missing:,} bytes are missing")
        return sum(math.prod(entry["shape"]) for entry in tensors)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(f"{file}: is no whole file of safetensors: {error}") from error


def _fingerprint(config: Mapping[str, Any], weights: Sequence[Path]) -> str:
    ends = [[file.name, file.stat().st_size, digest_of_ends(file)] for file in weights]
    told_config = {key: value for key, value in config.items() if not key.startswith("_")}
    return digest([told_config, ends])[:32]


def _front_matter(folder: Path) -> dict[str, Any]:
    """Of its card. A card that cannot be read says nothing."""
    try:
        with (folder / "README.md").open(encoding="utf-8") as handle:
            text = handle.read(LONGEST_CARD)
    except (OSError, UnicodeDecodeError):
        return {}
    if not text.startswith("---"):
        return {}
    try:
        front = yaml.safe_load(text[3:].split("\n---", 1)[0])
    except yaml.YAMLError:
        return {}
    return front if isinstance(front, dict) else {}
