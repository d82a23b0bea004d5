"""What `benchmark.py` measures: environments, replay, training, and the authors' trainer."""
