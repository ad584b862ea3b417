"""Tables and figures that are made from nothing by one command: what is trained for each, and how it is shown."""
