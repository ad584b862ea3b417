"""setclosure: closure variables for unordered microstates, and the macroscopic dynamics they close."""
