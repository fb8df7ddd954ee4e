"""Rows in files of every kind, read and written: JSON lines, JSON, CSV, Parquet, packed or not. No store is known."""
