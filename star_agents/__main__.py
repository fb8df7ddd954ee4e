"""`python -m star_agents`."""

from star_agents.cli import main

if __name__ == "__main__":
    main()
