"""The half-price batches of providers: how one is made, found again, asked about and read. It keeps nothing itself."""
