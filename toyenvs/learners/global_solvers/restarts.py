"""Restarts of Levenberg–Marquardt until the zeros of the loss are known, as far as restarts can tell.

Starting points are used in blocks; after each, a trial is finished

* ``ambiguous``   when two starts ended in distinct zeros;
* ``converged``   when ``zeros`` starts ended in the same zero and none in another, or when the restarts are spent and
  one zero was found;
* ``stationary``  when no start ended in a zero, and the restarts are spent or the lowest loss was found so often that
  there is no lower one: ``zeros`` times where no parameter at all, in the class or not, solves the equations (as with
  noise, beyond k·d of them), and 4 times as often, and by a tenth of all starts, where one may.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.descent import Outcome, TrainingResult
from toyenvs.learners.global_solvers.equations import Equations
from toyenvs.learners.global_solvers.levenberg_marquardt import Descended, levenberg_marquardt
from toyenvs.learners.global_solvers.settings import GlobalSolverSettings
from toyenvs.regret import uniform_regret

__all__ = ["solve_with_restarts"]

_FIRST_BLOCK, _LARGEST_BLOCK = 16, 128
"""Blocks double in size: hard trials need hundreds of starts, and a larger batch is faster."""

_STALL, _POLISHED = 1e-2, 1e-8
"""Fractions of the loss by which a step must lower it: for starts that do not look promising, and for the lowest.

Of 1e-1, 1e-2 and 1e-3, the second finds most zeros a second at d = 8, N = D + 1; the three differ by less than 20 %.
"""

_PROMISING = 1.5
"""Stalled starts whose loss is below this multiple of the lowest are descended to the end."""

_SAME_LOSS = 1e-6
_DOUBTFUL, _DOUBTFUL_SHARE = 4, 0.1
"""At d = 8, N = D + 1 a local minimum that a fortieth of all starts find may be 40 times as easy to find as U."""

_CHUNK = 8_000_000
"""Numbers of working memory at a time."""


def solve_with_restarts(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    starting_points: Callable[[int], Float[Tensor, "b d d"]],
    typical: Float[Tensor, " b"],
    settings: GlobalSolverSettings,
    first: Float[Tensor, "b d d"] | None = None,
) -> TrainingResult:
    """Look for the zeros of B losses, or their lowest points.

    Args:
        hypothesis_class: a smooth one; its components take turns.
        equations: of B trials.
        starting_points: the r-th random start of every trial.
        typical: the loss that ``settings.loss_tolerance`` is relative to.
        settings: budget and stopping rules.
        first: a starting point to be used before the random ones.

    Returns:
        ``start`` is the number of the first starting point that ended in the answer.
    """
    return _Search(hypothesis_class, equations, starting_points, typical, settings, first).run()


class _Search:
    """What is known of every trial; attributes are indexed by trial."""

    def __init__(
        self,
        hypothesis_class: HypothesisClass,
        equations: Equations,
        starting_points: Callable[[int], Float[Tensor, "b d d"]],
        typical: Float[Tensor, " b"],
        settings: GlobalSolverSettings,
        first: Float[Tensor, "b d d"] | None,
    ) -> None:
        self.hypothesis_class = hypothesis_class
        self.equations = equations
        self.starting_points = starting_points
        self.settings = settings
        self.first = first
        self.zero_level = settings.loss_tolerance * typical
        self.components = len(hypothesis_class.starts(starting_points(0)))
        self.param = self._start(0).clone()
        self.loss = torch.full_like(typical, torch.inf)
        self.outcome = torch.full_like(typical, int(Outcome.STATIONARY), dtype=torch.int64)
        self.steps, self.start, self.num_starts, self.hits = (torch.zeros_like(self.outcome) for _ in range(4))

    def run(self) -> TrainingResult:
        unfinished = torch.arange(len(self.loss), device=self.loss.device)
        used, block = 0, min(_FIRST_BLOCK, self.settings.restarts)
        while block and len(unfinished):
            starts = torch.stack([self._start(r)[unfinished] for r in range(used, used + block)], 1)
            self._learn(unfinished, self._descend(unfinished, starts), used)
            used += block
            block = min(2 * block, _LARGEST_BLOCK, self.settings.restarts - used)
            outcome, hits = self.outcome[unfinished], self.hits[unfinished]
            needed = torch.where(
                outcome == int(Outcome.CONVERGED), self.settings.zeros, self._needed_without_zero(used)[unfinished]
            )
            unfinished = unfinished[(outcome != int(Outcome.AMBIGUOUS)) & (hits < needed)]
        return TrainingResult(self.param, self.loss, self.outcome, self.steps, self.start, self.num_starts)

    def _start(self, number: int) -> Float[Tensor, "b d d"]:
        """The starting points of one number, for all trials; the components take turns."""
        if self.first is not None:
            if number == 0:
                return self.first
            number -= 1
        point = self.starting_points(number // self.components)
        return self.hypothesis_class.starts(point)[number % self.components]

    def _needed_without_zero(self, used: int) -> Int[Tensor, " b"]:
        """How often the lowest loss must have been found, after so many starts, to be believed the lowest."""
        doubtful = self.equations.constant <= self.zero_level
        zeros = self.settings.zeros
        return torch.where(doubtful, max(_DOUBTFUL * zeros, math.ceil(_DOUBTFUL_SHARE * used)), zeros)

    def _descend(self, trials: Int[Tensor, " t"], starts: Float[Tensor, "t r d d"]) -> Descended:
        """Descend from r starts for each of t trials, those that may be lowest to the end; pairs in order."""
        pairs = trials.repeat_interleave(starts.shape[1])
        found = self._in_chunks(pairs, starts.flatten(0, 1), _STALL)
        lowest = torch.minimum(found.loss.unflatten(0, starts.shape[:2]).amin(1), self.loss[trials])
        low = found.loss <= _PROMISING * lowest.repeat_interleave(starts.shape[1])
        again = found.stalled & low & (lowest > self.zero_level[trials]).repeat_interleave(starts.shape[1])
        if not bool(again.any()):
            return found
        better = self._in_chunks(pairs[again], found.param[again], _POLISHED)
        steps = found.steps.clone()
        steps[again] += better.steps
        result = Descended(found.param.clone(), found.loss.clone(), found.zero.clone(), found.stalled.clone(), steps)
        result.param[again], result.loss[again] = better.param, better.loss
        result.zero[again], result.stalled[again] = better.zero, better.stalled
        return result

    def _in_chunks(self, pairs: Int[Tensor, " p"], starts: Float[Tensor, "p d d"], stall: float) -> Descended:
        dim = starts.shape[-1]
        size = (self.equations.matrix[0].numel() + 3 * dim**2 * self.hypothesis_class.dimension(dim)) + 1
        chunk = max(1, _CHUNK // size)
        parts = [
            levenberg_marquardt(
                self.hypothesis_class, self.equations, trial, start, self.zero_level, self.settings.max_steps, stall
            )
            for trial, start in zip(pairs.split(chunk), starts.split(chunk), strict=True)
        ]
        return Descended(
            param=torch.cat([x.param for x in parts]),
            loss=torch.cat([x.loss for x in parts]),
            zero=torch.cat([x.zero for x in parts]),
            stalled=torch.cat([x.stalled for x in parts]),
            steps=torch.cat([x.steps for x in parts]),
        )

    def _learn(self, trials: Int[Tensor, " t"], found: Descended, used: int) -> None:
        """Take the ends of a block of starts into account, the first of which has the number ``used``."""
        shape = (len(trials), -1)
        loss, zero = found.loss.view(shape), found.zero.view(shape)
        param = found.param.unflatten(0, (len(trials), loss.shape[1]))
        row = torch.arange(len(trials), device=trials.device)
        solved = self.outcome[trials] == int(Outcome.CONVERGED)
        # The candidate of the block: its first zero, or its lowest point where there is none.
        has_zero = zero.any(1)
        candidate = torch.where(has_zero, zero.long().argmax(1), loss.argmin(1))
        lower = loss[row, candidate] < self.loss[trials] * (1 - _SAME_LOSS)
        take = ~solved & (has_zero | lower | ~self.loss[trials].isfinite())
        taken = trials[take]
        self.param[taken] = param[row, candidate][take]
        self.loss[taken] = loss[row, candidate][take]
        self.start[taken] = candidate[take] + used
        self.hits[taken] = 0
        self.outcome[taken[has_zero[take]]] = int(Outcome.CONVERGED)
        solved = solved | has_zero

        apart = self._apart(self.param[trials], param)
        level = self.loss[trials, None] * (1 + _SAME_LOSS)
        self.hits[trials] += (torch.where(solved[:, None], zero, loss <= level) & ~apart).sum(1)
        self.outcome[trials[(zero & apart).any(1)]] = int(Outcome.AMBIGUOUS)
        self.steps[trials] += found.steps.view(shape).sum(1)
        self.num_starts[trials] += loss.shape[1]

    def _apart(self, param: Float[Tensor, "t d d"], others: Float[Tensor, "t r d d"]) -> Tensor:
        """Which of the others are not the same as far as goals see, (t, r)."""
        sound = others.isfinite().all(-1).all(-1)
        others = torch.where(sound[..., None, None], others, 0.0)
        seen, seen_others = self.equations.seen(param)[:, None], self.equations.seen(others)
        return (uniform_regret(seen.expand_as(seen_others), seen_others) > self.settings.separation) & sound
