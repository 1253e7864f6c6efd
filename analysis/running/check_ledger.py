"""Running the evidence of many claims, in several processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analysis.running.executors import process_pool
from proofs_check.claim import CheckSettings, Claim, ClaimResult, EvidenceResult
from proofs_check.ledger import find_claim

__all__ = ["check_claims"]


def _check(id: str, settings: CheckSettings) -> tuple[EvidenceResult, ...]:
    """In a worker: a claim travels as its id, because its evidence is code."""
    return find_claim(id).check(settings).evidence


def check_claims(
    claims: Sequence[Claim], settings: CheckSettings, workers: int, console: Console, *, quiet: bool = False
) -> list[ClaimResult]:
    """Run the evidence of claims of the ledger.

    Args:
        claims: registered ones.
        settings: what evidence may depend on.
        workers: processes; with 1, or a single claim, everything runs in this one.
        console: where progress is shown, if it is a terminal.
        quiet: show none.

    Returns:
        One result a claim, in the order of the claims, whatever finished first.
    """
    progress = Progress(
        TextColumn("checking"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with progress:
        task = progress.add_task("", total=len(claims))
        if workers == 1 or len(claims) == 1:
            results = []
            for claim in claims:
                progress.update(task, description=claim.id)
                results.append(claim.check(settings))
                progress.advance(task)
            return results
        with process_pool(min(workers, len(claims))) as pool:
            futures = {pool.submit(_check, claim.id, settings): claim for claim in claims}
            found: dict[str, ClaimResult] = {}
            for future in as_completed(futures):
                claim = futures[future]
                found[claim.id] = ClaimResult(claim, future.result())
                progress.update(task, advance=1, description=claim.id)
            return [found[claim.id] for claim in claims]
