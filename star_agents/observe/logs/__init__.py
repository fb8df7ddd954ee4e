"""The log: one line for each event, and for whatever a library has to say, the same in every place where it is read.

    event or library ─► level ─► fields ─► repeats ─► JSON ─► secrets struck out ─┬─► stream (colours on a terminal)
                                                                                  ├─► FOLDER/log.jsonl
                                                                                  └─► feed (page, API)

Set up once by the command line, or for one folder by a program that uses us. The names and fields of all lines stand
in `events.md`.
"""

from star_agents.observe.logs.feed import LogFeed
from star_agents.observe.logs.setup import folder_log, log_event, set_up_logging
from star_agents.text.redaction import keep_secret

__all__ = ["LogFeed", "folder_log", "keep_secret", "log_event", "set_up_logging"]
