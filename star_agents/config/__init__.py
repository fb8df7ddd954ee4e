"""agents.yaml: its models, how it is read (line, field and fix for whatever is wrong), and what an edit changes."""
