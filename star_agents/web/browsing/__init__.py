"""The HTTP door of `browse`: a finished folder, to be read."""
