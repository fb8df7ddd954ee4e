"""Whether a cluster asks for a token, found out before Ray, which would try for a minute and not say what is wrong."""

from __future__ import annotations

import importlib
import os
from typing import Any

from star_agents.errors import ClusterError

ASK_S = 5.0
"""Seconds that the head may take to answer."""
_METHODS = {True: "/ray.rpc.RayletDriver/ClusterInfo", False: "/ray.rpc.NodeInfoGcsService/GetClusterId"}
"""What is asked, of the door for ``ray://`` and of the head: both say first whether they hear us."""


def show_token(place: str, *, is_client: bool) -> None:
    """Have Ray show the token of this machine where a cluster asks for one, and none where it asks for none.

    Ray does so by itself for ``auto`` alone. ``RAY_AUTH_MODE`` that is set already decides.

    Args:
        place: ``HOST:PORT``.
        is_client: It is the door for ``ray://``.

    Raises:
        ClusterError: It asks for a token, and here is none, or another one.
    """
    if not _is_refused(place, "", is_client):
        return
    raylet: Any = importlib.import_module("ray._raylet")
    loader = raylet.AuthenticationTokenLoader.instance()
    try:
        is_here = loader.has_token(ignore_auth_mode=True)
    except Exception:  # Ray's, where RAY_AUTH_TOKEN_PATH names no file.
        is_here = False
    if not is_here or os.environ.get("RAY_AUTH_MODE", "token") != "token":
        raise ClusterError(
            f"{place} asks for a token and none is shown: put that of its head, ~/.ray/auth_token, into the same place "
            "here, or into RAY_AUTH_TOKEN"
        )
    if _is_refused(place, str(loader.get_raw_token(ignore_auth_mode=True)), is_client):
        raise ClusterError(f"{place} refuses the token of this machine (~/.ray/auth_token or RAY_AUTH_TOKEN)")
    setup: Any = importlib.import_module("ray._private.authentication.authentication_token_setup")
    setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _is_refused(place: str, token: str, is_client: bool) -> bool:
    grpc: Any = importlib.import_module("grpc")
    shown = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(place) as channel:
        try:
            channel.unary_unary(_METHODS[is_client])(b"", timeout=ASK_S, metadata=shown)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.UNAUTHENTICATED)
    return False
