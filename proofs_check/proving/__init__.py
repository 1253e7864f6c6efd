"""Identities and their steps, as the ledger shows them."""
