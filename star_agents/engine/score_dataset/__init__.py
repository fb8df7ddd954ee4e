"""The `score` verb: IFD of two models for every row of any dataset, streamed, resumable, with a report to read."""
