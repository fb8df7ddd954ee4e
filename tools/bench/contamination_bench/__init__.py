"""Items of benchmarks planted among rows that hold none, and what is found of them."""
