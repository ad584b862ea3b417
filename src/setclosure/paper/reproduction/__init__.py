"""The paper's tables and figures are made here, each from nothing by one command."""
