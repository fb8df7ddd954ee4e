"""One module per verb of the command line: options in, a call, a table or JSON out."""
