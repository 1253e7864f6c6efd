"""``make bench``: tables of medians and ratios, each measured in one run, and whether the bars are reached."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable

import torch

from benchmarks import environments, growth, kernels, machine, search_cost

BATCHES = {8: 200, 16: 100, 32: 50, 64: 8}
"""d -> trials that run together."""

TIMES_GEOOPT = {8: 100, 16: 50, 32: 20}
SHARE_OF_LIMIT = {64: 0.5}
SHARE_OF_GRID = 0.25
"""The bars."""


def _table(title: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    header = list(header)
    print(f"\n**{title}**\n")
    for cells in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def _bar(value: float, least: float | None, form: str) -> str:
    text = format(value, form)
    return text if least is None else f"{text} ({'holds' if value >= least else 'FAILS'}: {format(least, form)})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is timed; medians are printed")
    parser.add_argument("--growth-dims", default="8,16,32,64", help="d of the growth of a threshold's cost")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.machine()}, {platform.system()}, torch {torch.__version__}, one thread unless said")

    rows = [kernels.measure(dim, batch, arguments.rounds) for dim, batch in BATCHES.items()]
    _table(
        "Microseconds a trial and step of DDPG's descent",
        ["d", "trials", *rows[0].microseconds, "(a) times geoopt", "(b) autograd", "(c) sb3", "(d) of limit", "single"],
        [
            [
                row.dim,
                row.batch_size,
                *(f"{value:.3g}" for value in row.microseconds.values()),
                f"{row.times_geoopt:.0f}",
                f"{row.times_autograd:.1f}",
                f"{row.times_sb3:.0f}",
                _bar(row.share_of_limit[0], SHARE_OF_LIMIT.get(row.dim), ".0%"),
                f"{row.share_of_limit[1]:.0%}",
            ]
            for row in rows
        ],
    )

    sweeps = [machine.measure(dim, BATCHES[dim], arguments.rounds) for dim in TIMES_GEOOPT]
    _table(
        f"The same with all cores ({sweeps[0].cores}), in the arithmetic that the engine chooses",
        ["d", "trials together", "arithmetic", "ours", "geoopt, a loop over trials", "(a) times geoopt"],
        [
            [
                row.dim,
                BATCHES[row.dim],
                row.dtype,
                f"{row.ours:.3g}",
                f"{row.loop:.3g}",
                _bar(row.times, TIMES_GEOOPT[row.dim], ".0f"),
            ]
            for row in sweeps
        ],
    )

    costs = [search_cost.measure(dim) for dim in (8, 16)]
    _table(
        "A threshold to ±5 %: search against grid, means over seeds",
        [
            "d",
            "trials, search",
            "trials, grid over the search's range",
            "share",
            "trials, grid told that N50 < 2d²",
            "share",
            "half-widths",
            "seconds",
        ],
        [
            [
                cost.dim,
                f"{cost.search.trials:.0f} ± {cost.search.error:.0f}",
                f"{cost.grid.trials:.0f}",
                f"{(share := cost.search.trials / cost.grid.trials):.2f}"
                f" ({'holds' if share <= SHARE_OF_GRID else 'FAILS'}: {SHARE_OF_GRID})",
                f"{cost.informed_grid.trials:.0f}",
                f"{cost.search.trials / cost.informed_grid.trials:.2f}",
                " / ".join(f"{way.half_width:.3f}" for way in (cost.search, cost.grid, cost.informed_grid)),
                " / ".join(f"{way.seconds:.1f}" for way in (cost.search, cost.grid, cost.informed_grid)),
            ]
            for cost in costs
        ],
    )

    rates = [environments.measure(8, num_envs, arguments.rounds) for num_envs in (16, 256)]
    _table(
        "Environment steps a second",
        ["d", "environments", "native", "SyncVectorEnv", "times"],
        [
            [rate.dim, rate.num_envs, f"{rate.native:.3g}", f"{rate.synchronous:.3g}", f"{rate.times:.0f}"]
            for rate in rates
        ],
    )

    idle = growth.measure(2, 12)
    grown = [growth.measure(int(dim), 25) for dim in arguments.growth_dims.split(",")]
    _table(
        "One threshold, one core, 25 trials a point",
        ["d", "seconds", "GiB"],
        [[row.dim, f"{row.seconds:.1f}", f"{row.gibibytes:.2f}"] for row in grown],
    )
    print(f"\nseconds grow like d^{growth.exponent(grown, idle.seconds):.1f}; a pass alone like d^4")


if __name__ == "__main__":
    main()
