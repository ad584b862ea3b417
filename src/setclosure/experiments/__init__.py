"""Studies of the paper: for each system its configuration, its splits, and how it is evaluated."""
