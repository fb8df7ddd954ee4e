"""Ray: a cluster whose machines lend a hand. Importing this package loads no ray.

    Connection ─► Node ...          who is there, who joins, who is lost
         └─► Actor ═ Ray ═► an object of ours in a process on a node

Actors hold models and sockets, nothing that cannot be made again. Ray neither restarts nor retries anything: who asked
an actor that is lost (``ActorLost``) asks another one. See README.md of this room.
"""

from star_agents.cluster.actors import Actor, Needs
from star_agents.cluster.connection import Connection
from star_agents.cluster.nodes import Node

__all__ = ["Actor", "Connection", "Needs", "Node"]
