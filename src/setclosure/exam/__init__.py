"""The exam: systems that the paper did not choose, naive rows and floors, by which it shows whether a closure pays."""
