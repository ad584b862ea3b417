"""The paper's tables and figures, each made from nothing by one command."""
