"""The paper's studies: for each system its splits, its configuration and its words."""
