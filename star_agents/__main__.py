"""``python -m star_agents``."""

from __future__ import annotations

import sys


def _without_packages(missing: str) -> str:
    """What to do where a Python was started that has not got what star_agents needs."""
    return (
        f"error: this Python ({sys.executable}) has no {missing}, which star_agents needs. In a checkout run "
        "tools/venv once, then `source .venv/bin/activate`; elsewhere `pip install star-agents` into this Python."
    )


if __name__ == "__main__":
    try:
        from star_agents.cli.main import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("star_agents"):
            raise
        sys.exit(_without_packages(error.name))
    main()
