"""What `serve` adds to a line at work: who may come in, and what the HTTP door asks of it."""
