"""The paper's comparisons need these models: baselines that do not read sets, and models of images."""
