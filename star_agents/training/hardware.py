"""What a training runs on, and who trains together."""

from __future__ import annotations

import os

import torch
from torch import distributed


def has_gpu() -> bool:
    """Whether torch finds a GPU."""
    return torch.cuda.is_available()


def gpus() -> int:
    """How many GPUs this process sees."""
    return torch.cuda.device_count()


def why_not_these(seen: int, together: int) -> str:
    """Why so many GPUs cannot be used by so many processes, and what to do; empty where they can."""
    if seen < 2 or together > 1:
        return ""
    return (
        f"this process sees {seen} GPUs and can train on one: start one for each GPU by `accelerate launch "
        f"--num_processes {seen} -m star_agents train ...`, or show it one by CUDA_VISIBLE_DEVICES=0"
    )


def free_gpu_memory() -> int:
    """Bytes that are free on this process's GPU."""
    return int(torch.cuda.mem_get_info()[0])


def use_threads(count: int | None) -> None:
    """Let torch use so many CPU threads; ``None``: as many as it likes."""
    if count is not None:
        torch.set_num_threads(count)


def processes() -> int:
    """How many train together, as the launcher says."""
    try:
        return max(1, int(os.environ.get("WORLD_SIZE", "1")))
    except ValueError:
        return 1


def end_process_group() -> None:
    """Until the first process has written the model: what ends before it would have the launcher end it, too."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def any_process(*flags: bool) -> tuple[bool, ...]:
    """Whether any process says so: what only one of them did would leave the others waiting."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return flags
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    told = torch.tensor([float(flag) for flag in flags], device=device)
    distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
    return tuple(bool(flag) for flag in told.tolist())


def barrier() -> None:
    """Wait until every process has come here."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
