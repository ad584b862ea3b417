"""The paper's studies have a module for each system: its splits and its configuration."""
