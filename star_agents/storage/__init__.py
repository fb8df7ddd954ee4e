"""What must outlive the process: the store (home of sqlite3), seed files in and datasets out (home of pyarrow).

``store.py`` is the daemon's door, ``reader.py`` the one for everybody else. Files of users come in by ``incoming/``,
rows go out by ``outgoing/``, and ``formats/`` reads and writes the kinds of files for both. ``backup.py`` copies a
store at work, ``examination.py`` looks at one from outside.
"""
