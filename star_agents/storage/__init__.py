"""What must outlive the process: the store (home of sqlite3), seed files in and datasets out (home of pyarrow).

``store.py`` is the daemon's door, ``reader.py`` the one for everybody else; ``seed_files.py`` and ``export.py`` are the
way in and the way out. ``backup.py`` copies a store at work, ``examination.py`` looks at one from outside.
"""
