"""Models that only the paper's comparisons need: baselines that are not sets, and models of images."""
