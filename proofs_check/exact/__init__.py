"""Exact arithmetic modulo a prime: ranks, dual numbers, numbers of solutions."""
