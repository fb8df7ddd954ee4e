"""CPU seconds of scoring some pairs once, by the product that is on the path. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time

import torch
from scoring_bench.models import pythia, real_pairs
from scoring_bench.reference import ifds, scorer


def main() -> None:
    """Score once to warm up and once for the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pairs = real_pairs(given.pairs + 4)
    with torch.inference_mode():
        score = ifds(scorer(pythia("70m")))
        score(pairs[given.pairs :])
        began = time.process_time()
        score(pairs[: given.pairs])
    print(json.dumps({"cpu_s": time.process_time() - began}))


if __name__ == "__main__":
    main()
