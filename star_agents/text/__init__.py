"""Text as it leaves and is told apart: cleaned for a terminal, without secrets, figures in words, plain data. Pure."""
