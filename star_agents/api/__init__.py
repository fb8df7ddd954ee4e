"""The Python API: what scripts, notebooks and other programs call. Its names are those of ``star_agents`` itself.

Each call works in a thread with an event loop of its own (``job.py``), so that it is the same in a script, in a
notebook and inside a running event loop. What is done there is what the commands do, by the same functions of
``engine``.
"""
