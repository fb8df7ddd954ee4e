"""What leaves a store: rows in the formats of trainers, shards, games and the summary."""
