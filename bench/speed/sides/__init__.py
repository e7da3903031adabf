"""Each module is a side that is measured in a process of its own: ``python -m bench.speed.sides.<name> '<json>'``."""
