"""What a trainer wants beside the rows: an entry of LLaMA-Factory's dataset_info.json, the ``datasets`` of Axolotl's
YAML, a call of TRL. Each follows the trainer's own documentation (LLaMA-Factory: data/README.md; Axolotl:
docs/dataset_loading, docs/dataset-formats/conversation, docs/rlhf; TRL: docs/dataset_formats).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from star_agents.errors import UsageError
from star_agents.storage.formats.row_writing import atomic_file

DATASET_INFO = "dataset_info.json"
FORMATS_OF: Mapping[str, Mapping[str, str]] = {
    "trl": {"prompt-completion": "prompt-completion", "messages": "messages", "tools": "tools", "dpo": "dpo"},
    "llama-factory": {"sharegpt": "sharegpt", "alpaca": "alpaca", "messages": "messages", "dpo": "sharegpt-dpo"},
    "axolotl": {"messages": "messages", "sharegpt": "sharegpt", "dpo": "messages-dpo"},
}
"""By trainer: what may be asked for, the default first, and the format of the rows that it then takes."""

_SHAREGPT_MAPPING = {"role": "from", "content": "value"}
_OPENAI_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
_LLAMA_FACTORY: Mapping[str, dict[str, Any]] = {
    "alpaca": {
        "columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system"},
    },
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "messages": {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _OPENAI_TAGS},
    "sharegpt-dpo": {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
    },
}
_AXOLOTL: Mapping[str, dict[str, Any]] = {
    "messages": {"type": "chat_template", "field_messages": "messages"},
    "sharegpt": {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": _SHAREGPT_MAPPING,
    },
    "messages-dpo": {
        "type": "chat_template.default",
        "field_messages": "messages",
        "field_chosen": "chosen",
        "field_rejected": "rejected",
        "message_property_mappings": {"role": "role", "content": "content"},
        "roles": {"user": ["user"], "assistant": ["assistant"], "system": ["system"]},
    },
}


def format_for(trainer: str, asked: str | None) -> str:
    """The format of the rows that a trainer takes when a user asks for ``asked``, or for nothing in particular.

    Raises:
        UsageError: when the trainer does not take it.
    """
    known = FORMATS_OF[trainer]
    wanted = asked or next(iter(known))
    if wanted in known:
        return known[wanted]
    if wanted in known.values():
        return wanted
    raise UsageError(f"{trainer} does not take {wanted} rows; use -f {', '.join(known)}")


def write_beside(trainer: str, format: str, files: Mapping[str, Path]) -> list[Path]:
    """Write what the trainer needs to read the files, beside them; return the paths written.

    Args:
        trainer: A key of ``FORMATS_OF``.
        format: Of the rows.
        files: The files by their part of a split; without a split, one under the empty name.

    Raises:
        UsageError: when a dataset_info.json that stands there already cannot be read, or none can be written.
    """
    if trainer == "llama-factory":
        return [_write_dataset_info(format, files)]
    if trainer == "axolotl":
        return [_write_axolotl_yaml(format, files)]
    return []


def hint(trainer: str, format: str, files: Mapping[str, Path]) -> str:
    """What a user writes next."""
    names = [path.stem for path in files.values()]
    folder = next(iter(files.values())).parent
    if trainer == "llama-factory":
        return (
            f"in its YAML: dataset_dir: {folder}, dataset: {names[0]}"
            + (f", eval_dataset: {names[1]}" if len(names) > 1 else "")
            + ("" if format.endswith("dpo") else "; mask_history: true learns a conversation's last answer only")
        )
    if trainer == "axolotl":
        return "put its lines into your config"
    loader = "parquet" if next(iter(files.values())).suffix == ".parquet" else "json"
    data = {part or "train": str(path) for part, path in files.items()}
    kind = "DPOTrainer" if format == "dpo" else "SFTTrainer"
    return f'{kind} takes load_dataset("{loader}", data_files={json.dumps(data)}) as it is'


def _write_dataset_info(format: str, files: Mapping[str, Path]) -> Path:
    path = next(iter(files.values())).parent / DATASET_INFO
    entries = _existing_entries(path)
    entries.update({file.stem: {"file_name": file.name, **_LLAMA_FACTORY[format]} for file in files.values()})
    _write_text(path, json.dumps(entries, ensure_ascii=False, indent=2) + "\n")
    return path


def _existing_entries(path: Path) -> dict[str, Any]:
    """What describes the other datasets of the folder and must stay."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: is there already and cannot be read: {error}; move it away") from error
    if not isinstance(entries, dict):
        raise UsageError(f"{path}: is there already and is no JSON object; move it away")
    return entries


def _write_axolotl_yaml(format: str, files: Mapping[str, Path]) -> Path:
    learned, *others = files.values()
    lines: dict[str, Any] = {"rl": "dpo"} if format.endswith("dpo") else {}
    lines["datasets"] = [_axolotl_entry(format, learned)]
    if others:
        lines["test_datasets"] = [_axolotl_entry(format, other) for other in others]
    path = learned.with_name(f"{learned.stem}.axolotl.yaml")
    _write_text(path, yaml.safe_dump(lines, sort_keys=False, allow_unicode=True))
    return path


def _axolotl_entry(format: str, path: Path) -> dict[str, Any]:
    kind = "parquet" if path.suffix == ".parquet" else "json"
    return {"path": str(path), "ds_type": kind, "split": "train", **_AXOLOTL[format]}


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as handle:
        handle.write(text.encode("utf-8"))


TRAINERS: Sequence[str] = tuple(FORMATS_OF)
