"""Reports: a run on one page that opens from disk, and what every such page is made of."""
