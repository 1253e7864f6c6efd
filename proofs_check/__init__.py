"""Why the claims should hold: symbolic proofs, exact certificates, and property tests for any construction.

From the ground up, each room importing only what stands above it in this list:

* ``claim`` (what a claim and its evidence are), ``theory`` (predicted counts), ``symbolic``, ``testing``
* ``exact`` and ``proving``
* ``claims``: a module for each part of the argument
* ``ledger``: all of them
"""
