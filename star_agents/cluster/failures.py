"""What Ray raises, turned into our errors. Nothing else in this package knows Ray's exceptions."""

from __future__ import annotations

import importlib
from typing import Any

from star_agents.errors import ActorLost, ClusterError, StarAgentsError

LONGEST = 300
"""Characters that are told of what Ray says; it may hold a whole log."""
LOST = frozenset(
    {"RayActorError", "ActorDiedError", "ActorUnavailableError", "WorkerCrashedError", "LocalRayletDiedError"}
    | {"NodeDiedError", "OwnerDiedError", "ObjectLostError", "ObjectFetchTimedOutError", "ObjectFreedError"}
    | {"ObjectReconstructionFailedError", "ReferenceCountingAssertionError", "PlasmaObjectNotAvailable"}
    | {"OutOfMemoryError", "AsyncioActorExit", "TaskCancelledError", "RpcError", "ActorUnschedulableError"}
    | {"TaskUnschedulableError", "ActorPlacementGroupRemoved", "TaskPlacementGroupRemoved", "ActorHandleNotFoundError"}
)
"""The actor, its process, its node or what it answered is gone: another one may be asked."""
REFUSED = frozenset(
    {"RayError", "AuthenticationError", "RuntimeEnvSetupError", "RaySystemError", "CrossLanguageError"}
    | {"ObjectStoreFullError", "OutOfDiskError", "GetTimeoutError", "PendingCallsLimitExceeded"}
    | {"ActorAlreadyExistsError", "UnserializableException", "UserCodeException", "RayChannelError"}
    | {"RayChannelTimeoutError", "RayCgraphCapacityExceeded", "RayDirectTransportError"}
    | {"ObjectRefStreamEndOfStreamError", "StreamingGeneratorReplayInconsistentError"}
    | {"OufOfBandObjectRefSerializationException"}
)
"""Another one would say the same; most of them are of parts of Ray that we do not use."""
RAISED = frozenset({"RayTaskError"})
"""What our own code in the actor raised."""


def translated(error: BaseException, doing: str) -> BaseException:
    """Ours for what Ray raised while ``doing`` something; one of ours that an actor raised comes as it was, and what is
    no error of Ray's, such as a cancellation, stays what it is.

    >>> print(translated(OSError("no route"), "reaching Ray's cluster"))
    reaching Ray's cluster failed: OSError: no route
    """
    kinds = {one.__name__ for one in type(error).__mro__}
    if kinds & RAISED:  # First: Ray makes such an error one of the class that was raised, too.
        return _raised_in_actor(error, doing)
    if isinstance(error, StarAgentsError):
        return error
    if getattr(error, "actor_init_failed", False):
        return ClusterError(f"{doing} failed: {_why_not_made(error)}")
    if kinds & LOST:
        return ActorLost(f"{doing} failed: {_said(error)}")
    if isinstance(error, Exception):
        return ClusterError(f"{doing} failed: {type(error).__name__}: {_said(error)}")
    return error


def _raised_in_actor(error: BaseException, doing: str) -> BaseException:
    cause = getattr(error, "cause", None)
    if isinstance(cause, StarAgentsError):
        return cause
    # Not Ray's text, which holds the lines of our source and of the traceback: what was asked may hold a key.
    return ClusterError(f"{doing} failed: the actor raised {type(cause).__name__ if cause else 'an error'}")


def _why_not_made(error: BaseException) -> str:
    """Of what the constructor of an actor raised the kind alone is told, but for a module that the node lacks."""
    missing = next((line for line in str(error).splitlines() if line.startswith("ModuleNotFoundError:")), "")
    if missing:
        return f"{missing.strip()}: install there what is installed here, in the same releases"
    return "its constructor raised an error, which stands in Ray's log on that node"


def _said(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Ray says what it knows of an actor line by line, and why it died in the last of them.
    told = f"{lines[0]} {lines[-1]}" if len(lines) > 1 else "".join(lines) or type(error).__name__
    return told[:LONGEST]


def all_of_ray() -> dict[str, Any]:
    """Every exception that Ray declares, by name."""
    module: Any = importlib.import_module("ray.exceptions")
    return {
        name: found
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, Exception) and issubclass(found, module.RayError)
    }
