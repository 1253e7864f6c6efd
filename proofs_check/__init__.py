"""Why the claims should hold: symbolic proofs, exact certificates, and property tests for any construction."""
