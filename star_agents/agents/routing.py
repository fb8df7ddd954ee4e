"""LiteLLM's Router as the host of our choice: it holds the deployments, and a strategy of ours says which is next.

Its own strategies know neither what is in flight nor what is up; they filter the whole group on each call. Ours
(``CustomRoutingStrategyBase``, by ``Router.set_custom_routing_strategy``) asks the agent's gate, which knows both: the
deployment with the fewest calls in flight of those that are up and have room. The Router neither retries nor cools
down nor limits: all of that is ours (design §5). What is to be sent by it (``transport: litellm``) names the deployment
that its slot is of, so that it is chosen once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from star_agents.agents.endpoints import Endpoint

Deployment = dict[str, Any]
"""As it stands in the Router's ``model_list``; it holds the key."""


class NotTakenError(Exception):
    """The Router does not take an endpoint; says why, without secrets."""

    def __init__(self, model: str, why: str) -> None:
        super().__init__(f"LiteLLM's Router does not take {model}: {why}")


def deployment_id(group: str, index: int) -> str:
    """Id of a deployment on the Router."""
    return f"{group}/{index}"


class Routing:
    """One Router for life, made with the first group that needs it.

    Args:
        litellm: Loads the module.
    """

    def __init__(self, litellm: Callable[[], ModuleType]) -> None:
        self._litellm = litellm
        self._router: Any = None
        self._groups: dict[str, tuple[Callable[[], int], list[Deployment]]] = {}
        self._by_id: dict[str, Deployment] = {}

    @property
    def router(self) -> Any:
        """LiteLLM's Router."""
        if self._router is None:
            self._router = self._litellm().Router(
                model_list=[], num_retries=0, disable_cooldowns=True, enable_pre_call_checks=False
            )
            # Takes its callbacks out of LiteLLM's global lists, and does nothing else. They count requests and tokens
            # for limits and cooldowns that are ours.
            self._router.discard()
            self._router.set_custom_routing_strategy(_strategy(self._litellm(), self._next))
        return self._router

    def register(self, group: str, endpoints: Sequence[Endpoint], idlest: Callable[[], int]) -> None:
        """Put a group's endpoints on the Router; ``remove`` it whatever comes of that.

        Args:
            group: A name that was never used before.
            endpoints: Each is known by its index.
            idlest: The index of the one that takes the next call.

        Raises:
            NotTakenError: The Router does not take one.
        """
        found: list[Deployment] = []
        self._groups[group] = (idlest, found)
        for index, endpoint in enumerate(endpoints):
            found.append(self._put(group, index, endpoint))

    def remove(self, group: str) -> None:
        """Take a group off the Router, or as much of it as there is."""
        _, found = self._groups.pop(group, (None, []))
        for index in range(len(found)):
            id = deployment_id(group, index)
            del self._by_id[id]
            self.router.delete_deployment(id=id)

    def choose(self, group: str) -> int:
        """The deployment of the group that takes the next call."""
        picked = self.router.get_available_deployment(model=group)
        return int(picked["model_info"]["id"].rpartition("/")[2])

    def _put(self, group: str, index: int, endpoint: Endpoint) -> Deployment:
        id, said = deployment_id(group, index), "it was dropped without a word"
        deployment = self._litellm().types.router.Deployment(
            model_name=group, litellm_params=dict(endpoint.params), model_info={"id": id}
        )
        try:
            self.router.upsert_deployment(deployment)
        except Exception as error:
            # Its message may hold the key, its name cannot.
            said = type(error).__name__
        # An upsert has been seen to drop a deployment without a word (BerriAI/litellm#35577).
        if not self.router.has_model_id(id):
            raise NotTakenError(endpoint.model, said)
        found: Deployment = self.router.model_list[self.router.model_id_to_deployment_index_map[id]]
        self._by_id[id] = found
        return found

    def _next(self, model: str) -> Deployment:
        """Of a group the one that takes the next call; of an id its own."""
        if model in self._groups:
            idlest, deployments = self._groups[model]
            return deployments[idlest()]
        return self._by_id[model]


def _strategy(litellm: ModuleType, choose: Callable[[str], Deployment]) -> Any:
    """The strategy as LiteLLM's Router takes it, whose base class comes with LiteLLM."""

    class FewestInFlight(litellm.types.router.CustomRoutingStrategyBase):  # type: ignore[misc, name-defined]  # Any
        """What the Router asks instead of a strategy of its own."""

        def get_available_deployment(self, model: str, *_: object, **__: object) -> Deployment:
            """An element of ``router.model_list``; LookupError where none could take a call."""
            return choose(model)

        async def async_get_available_deployment(self, model: str, *_: object, **__: object) -> Deployment:
            """As ``get_available_deployment``."""
            return choose(model)

    return FewestInFlight()
