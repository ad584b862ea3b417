"""A trained model has a specification, parts, predictions, a range check and files; nothing here trains or draws."""
