"""An observable z̄ = φ̄(X) is built in, registered by a user, or a plain function of microstates."""
