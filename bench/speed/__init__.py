"""How fast settled is, as ratios to the same thing written by hand, measured in the same run on the same disk."""
