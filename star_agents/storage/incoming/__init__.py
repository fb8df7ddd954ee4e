"""Files of users as they come in: seeds, pairs with labels, questions and items of benchmarks."""
