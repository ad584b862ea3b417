"""The microscopic systems of the paper are simulated here."""
