-- What a start asks of the memory bank without its vectors: read from the index alone, not from the gigabytes beside them.
CREATE INDEX memory_keys ON memory (embedder, seq, arm, dimension);
