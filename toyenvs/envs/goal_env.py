"""Any construction as a Gymnasium goal environment, single and vectorised.

The construction's own formulas are stepped; nothing of them is repeated here. Both environments are thin
covers over the same process of n rows (the single one is n = 1), so they cannot drift apart.

Sources: Levine & Feizi, *Goal-Conditioned Q-Learning as Knowledge Distillation*, AAAI 2023, Propositions 1
and 2; the goal-environment convention (a dictionary observation and ``compute_reward``) is that of
Gymnasium-Robotics, which Stable-Baselines3's ``HerReplayBuffer`` expects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from toyenvs.algebra import embed, norm, scale
from toyenvs.constructions import Construction, make_construction
from toyenvs.constructions.base import unit_vectors
from toyenvs.envs.rendering import draw_frame, position
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass, hypothesis_class

__all__ = ["STATE_BOUND", "GoalEnv", "Observation", "VectorGoalEnv"]

Observation = dict[str, NDArray[np.float64]]
"""``observation``, ``achieved_goal`` and ``desired_goal``."""

STATE_BOUND = 1e6
"""Largest coordinate, in absolute value, of the observation space's states and goals.

The process itself has no bound, but a step adds at most 1 to the length of the state: an episode that starts
on the unit sphere stays inside for a million steps. A finite box says so, and can be sampled and checked.
"""

PARAM_TOLERANCE = 1e-8
"""Frobenius distance from its hypothesis class up to which a given parameter is taken as a member of it."""

PATH_LENGTH = 1000
"""Number of past positions that are kept to be drawn."""

_METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 5}


def _real_array(name: str, value: Any, shapes: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
    """Read an argument as a float64 array of one of the given shapes; entries are not looked at."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: {value!r} is not a rectangular array") from None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: {value!r} is not an array of real numbers")
    if array.shape not in shapes:
        raise ValueError(f"{name}: shape {array.shape} is not {' or '.join(map(str, shapes))}")
    return array.astype(np.float64)


def _require_finite(name: str, array: NDArray[np.float64]) -> None:
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        raise ValueError(f"{name}{list(index)}: {array[index]} is not a finite number")


def _require_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: {value!r} is not an integer >= {least}")


def _orthogonal_class(group: str, dim: int) -> HypothesisClass:
    """The class, if its members exist in d dimensions and keep lengths, as the optimal values ask of U."""
    members = hypothesis_class(group)
    if not members.orthogonal:
        able = ", ".join(name for name, known in HYPOTHESIS_CLASSES.items() if known.orthogonal)
        raise ValueError(f"group: {group!r} is not a class of orthogonal matrices; those are {able}")
    members.require(dim)
    return members


def _true_param(
    members: HypothesisClass, dim: int, rotation_seed: int, true_param: ArrayLike | None
) -> NDArray[np.float64]:
    """The environment's U (d, d): the given one if it is a member of the class, else drawn from the seed."""
    if true_param is None:
        _require_count("rotation_seed", rotation_seed, 0)
        # Not default_rng(rotation_seed): an episode's start and goal come from that very stream when reset is
        # given the same small number as its seed, and U would be a function of them.
        seed = np.random.SeedSequence(int(rotation_seed), spawn_key=(0,))
        param = members.sample(dim, np.random.default_rng(seed))
    else:
        param = _real_array("true_param", true_param, [(dim, dim)])
        _require_finite("true_param", param)
        distance = float(np.linalg.norm(members.project(torch.from_numpy(param)).numpy() - param))
        if not distance <= PARAM_TOLERANCE:
            raise ValueError(
                f"true_param: the matrix is not of the class {type(members).__name__} (group={members.name!r}): "
                f"its Frobenius distance from the nearest member is {distance:.3g}, allowed is {PARAM_TOLERANCE:g}"
            )
    param.setflags(write=False)
    return param


class _GoalProcess:
    """What the single and the vectorised environment share: n rows of the process, stepped together.

    Every row has its own state, goal and clock; U is the same in all of them.
    """

    def __init__(
        self,
        num_rows: int,
        construction: str | type[Construction],
        dim: int,
        group: str,
        rotation_seed: int,
        true_param: ArrayLike | None,
        discount: float,
        render_mode: str | None,
        goal_dim: int | None,
    ) -> None:
        if render_mode is not None and render_mode not in _METADATA["render_modes"]:
            raise ValueError(f"render_mode: {render_mode!r} is not None or one of {_METADATA['render_modes']}")
        self.render_mode = render_mode
        self.construction = make_construction(construction, dim, discount, goal_dim)
        self.dim = self.construction.dim
        self.goal_dim = self.construction.goal_dim
        self.hypothesis_class = _orthogonal_class(group, self.dim)
        self.true_param = _true_param(self.hypothesis_class, self.dim, rotation_seed, true_param)

        state_dim = self.construction.observation_dim
        self._num_rows = num_rows
        self._state = np.zeros((num_rows, state_dim))
        self._goal = np.zeros((num_rows, self.goal_dim))
        self._action = np.zeros((num_rows, self.dim))
        self._elapsed = np.zeros(num_rows, dtype=np.int64)
        self._started = False
        self._positions: deque[NDArray[np.float64]] = deque(maxlen=PATH_LENGTH)

    def _row_observation_space(self) -> spaces.Space[dict[str, Any]]:
        lengths = {
            "observation": self.construction.observation_dim,
            "achieved_goal": self.goal_dim,
            "desired_goal": self.goal_dim,
        }
        return spaces.Dict(
            {key: spaces.Box(-STATE_BOUND, STATE_BOUND, (length,), np.float64) for key, length in lengths.items()}
        )

    def _row_action_space(self) -> spaces.Box:
        # float32 as in Gymnasium-Robotics: the learners' networks answer in it, and Stable-Baselines3 warns of
        # anything else. Actions of any real type are taken, at their own precision.
        return spaces.Box(-1.0, 1.0, (self.dim,), np.float32)

    def compute_reward(
        self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any
    ) -> float | NDArray[np.float64]:
        """R as a function of the achieved goal: what hindsight relabelling recomputes.

        Exactly the reward of ``step`` for the ``achieved_goal`` and ``desired_goal`` of the observation that it
        returned, whether asked for one at a time or in a batch.

        Args:
            achieved_goal: (..., k), k = d in most constructions.
            desired_goal: (..., k); the leading dimensions broadcast. The zero goal is allowed (its reward is 0).
            info: not used; one dictionary or a batch of them, as the convention has it.

        Returns:
            (...), a float where there are no leading dimensions.

        Raises:
            ValueError: if the last dimension of a goal is not k, or the leading ones do not broadcast.
        """
        # C order, because numpy sums the rows of a transposed array in another order, and the last bit counts.
        achieved, desired = (np.ascontiguousarray(x, dtype=np.float64) for x in (achieved_goal, desired_goal))
        for name, goal in (("achieved_goal", achieved), ("desired_goal", desired)):
            if goal.shape[-1] != self.goal_dim:
                raise ValueError(
                    f"{name}: shape {goal.shape} does not end with {self.goal_dim}, the dimension of goals"
                )
        reward = np.asarray(self.construction.goal_reward(achieved, desired))
        return float(reward) if reward.ndim == 0 else reward

    def _start_options(self, options: Mapping[str, Any], *, shared_only: bool) -> dict[str, NDArray[np.float64]]:
        """Check the options of ``reset`` that set the start; give each as one row or one for every row."""
        given: dict[str, NDArray[np.float64]] = {}
        lengths = {"desired_goal": self.goal_dim, "observation": self.construction.observation_dim}
        for key, value in options.items():
            if key not in lengths:
                raise ValueError(f"options: {key!r} is not one of {', '.join(lengths)}")
            name = f"options[{key!r}]"
            shapes = [(lengths[key],)] if shared_only else [(lengths[key],), (self._num_rows, lengths[key])]
            given[key] = _real_array(name, value, shapes)
            _require_finite(name, given[key])
            # Half of the bound leaves room to walk in.
            limit = STATE_BOUND if key == "desired_goal" else STATE_BOUND / 2
            largest = np.abs(given[key]).max()
            if largest > limit:
                raise ValueError(f"{name}: a coordinate of absolute value {largest:g} is not in [0, {limit:g}]")
        if "desired_goal" in given and not given["desired_goal"].any(axis=-1).all():
            raise ValueError(
                "options['desired_goal']: the zero vector is not allowed, because the optimal action Uᵀg/‖g‖ is not "
                "defined there"
            )
        return given

    def _begin(
        self,
        rows: NDArray[np.bool_],
        generators: Sequence[np.random.Generator],
        given: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """Start a new episode in some of the rows, each from its own generator."""
        # Drawn even where the options say otherwise: to fix the goal does not change which start a seed gives.
        drawn = [
            (unit_vectors(generator, 1, self.goal_dim)[0], unit_vectors(generator, 1, self.dim)[0])
            for generator in compress(generators, rows)
        ]
        goal, direction = (np.stack(vectors) for vectors in zip(*drawn, strict=True))
        start = {"desired_goal": goal, "observation": self.construction.initial_observation(direction)}
        for key, value in given.items():
            start[key] = value[rows] if value.ndim == 2 else value
        self._goal[rows] = start["desired_goal"]
        self._state[rows] = start["observation"]
        self._elapsed[rows] = 0
        self._started = True

    def _advance(self, action: NDArray[np.float64], acting: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Step by finite actions (n, d); the reward (n,), 0 in the rows that do not act.

        Those rows are between two episodes: what becomes of their state does not matter, :meth:`_begin` follows.
        """
        if not self._started:
            raise ResetNeeded("step was called before reset")
        self._action = _project_on_ball(action)
        moved = self.construction.dynamics(self.true_param, self._state, self._action)
        reward = self.construction.reward(moved, self._goal)
        self._state = np.array(moved)  # ours to write into, whatever a construction returns
        self._elapsed[acting] += 1
        return np.where(acting, reward, 0.0)

    def _observe(self) -> Observation:
        """The observation of every row, in arrays of the caller's own."""
        return {
            "observation": self._state.copy(),
            "achieved_goal": np.array(self.construction.achieved_goal(self._state)),
            "desired_goal": self._goal.copy(),
        }

    def _remember(self, *, new: bool = True) -> None:
        """Keep the positions to be drawn; ``new=False`` overwrites the latest (no row has moved since)."""
        if self.render_mode is None:
            return
        if not new and self._positions:
            self._positions.pop()
        self._positions.append(position(self.construction, self._state))

    def _frames(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One frame a row; None, with Gymnasium's usual warning, if no render mode was chosen."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render was called without a render mode; choose one when the environment is made: "
                'render_mode="rgb_array"'
            )
            return None
        if not self._started:
            raise ResetNeeded("render was called before reset")
        positions = np.stack(self._positions)
        hidden = (position(self.construction, self._state) != self.construction.achieved_goal(self._state)).any(-1)
        # The goal's coordinates are the first of the action's: in a frame, both are vectors of R^d.
        positions, goal = (embed(x, self.dim) for x in (positions, self._goal))
        return tuple(
            draw_frame(
                positions[-1 - int(self._elapsed[row]) :, row],
                goal[row],
                self._action[row] if self._elapsed[row] else None,
                hidden=bool(hidden[row]),
            )
            for row in range(self._num_rows)
        )


def _project_on_ball(action: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest point of the unit ball, row by row: (n, d) -> (n, d)."""
    # Divided by the largest coordinate first, so that the norm of a huge action does not overflow. An action
    # inside the ball is divided by 1 both times and comes back unchanged, bit for bit.
    bounded = scale(action, 1 / np.maximum(np.abs(action).max(axis=-1), 1.0))
    return np.asarray(scale(bounded, 1 / np.maximum(norm(bounded), 1.0)))


class GoalEnv(_GoalProcess, gymnasium.Env[dict[str, Any], NDArray[Any]]):
    """A toy environment of which everything is known but one orthogonal matrix U.

    ## Description
    A d-dimensional goal-conditioned process from the theory of ReenGAGE. The agent moves a point by an action
    that an unknown rotation U turns first, and is paid for how far the point has come along the goal. To act
    well is to know U, and the question of the theory is how many transitions that takes. Which of the paper's
    processes is stepped is the argument ``construction``:

    - `toyenvs/GradientFeedback-v0`, `"gradient-feedback"` (Prop. 1): s' = s + Ua.
    - `toyenvs/NoRewardGradient-v0`, `"no-reward-gradient"` (Prop. 2): s = (s¹, s²), and s' = (0, s¹ + Ua) where
      s¹ ≠ 0, s' = (s², 0) where s¹ = 0. The reward sees what an action did one step later only.
    - `toyenvs/ProjectedGoal-v0`, `"projected-goal"`: Prop. 1 with goals of R^k and R = gᵀPs', P the first k
      coordinates. k is ``goal_dim``, d − 1 by default; in the other processes k = d.

    U is drawn when the environment is made and stays as it is over its whole life: episodes differ in their
    start and goal only. The optimal policy is a = Uᵀg/‖g‖, equations (24) and (26); its value is
    ``env.unwrapped.construction.q_value(env.unwrapped.true_param, s, a, g)``, equations (23) and (25).

    ## Action Space
    `Box(-1, 1, (d,), float32)`. The theory allows ‖a‖₂ ≤ 1: an action of the box that lies outside the unit
    ball is projected on it, a/‖a‖₂, and so is one from outside the box. The action that was really taken is
    ``info["action"]``. An action of any real dtype is used at its own precision. One that has the wrong shape,
    or an entry that is NaN or infinite, is refused with a ``ValueError``.

    ## Observation Space
    A `Dict` of float64 boxes:

    | key | shape | meaning |
    |---|---|---|
    | `observation` | (d,); (2d,) in Prop. 2 | the state s |
    | `achieved_goal` | (k,) | the part that the reward sees: s in Prop. 1, s¹ in Prop. 2, Ps |
    | `desired_goal` | (k,) | the goal g, constant over an episode |

    The bounds are ±10⁶ (`STATE_BOUND`), which an episode of the default start cannot reach in fewer than
    999 999 steps.

    ## Rewards
    R(s', g) = gᵀs' in Prop. 1 and gᵀs'¹ in Prop. 2, dense and linear in the goal. ``compute_reward`` gives it for
    other goals, one or a batch, and agrees with ``step`` to the last bit.

    ## Starting State
    The goal is uniform on the unit sphere; the state (its first half s¹ in Prop. 2, s² being 0) likewise.
    ``reset(options={"desired_goal": g, "observation": s})``, or one of the two, sets them instead; the goal must
    not be zero, where the optimal action is undefined, and the state's coordinates must not exceed 5·10⁵.

    ## Episode End
    Never terminated. Truncated by the `TimeLimit` of ``gymnasium.make``, after 50 steps unless
    ``max_episode_steps`` says otherwise.

    ## Rendering
    `"rgb_array"`: the path of the state in the plane of goal and action (:mod:`toyenvs.envs.rendering`). In Prop. 2
    it is the path of the half of the state that is not zero.

    ## References
    - A. Levine, S. Feizi: Goal-Conditioned Q-Learning as Knowledge Distillation. AAAI 2023,
      doi:10.1609/aaai.v37i7.26024, arXiv:2208.13298. Propositions 1 and 2, equations (23) to (26).

    ## Arguments
    As listed here; ``gymnasium.make("toyenvs/GradientFeedback-v0", dim=8, rotation_seed=3)`` passes them on.

    Args:
        construction: the name of a registered construction, or a user-defined class. Set by the id.
        dim: d ≥ 2, the dimension of goals and actions.
        group: the hypothesis class of U, one of orthogonal matrices that exists in ``dim`` dimensions: ``"so"``,
            rotations, ``"o"``, orthogonal matrices, and others of ``HYPOTHESIS_CLASSES``.
        rotation_seed: ≥ 0; the seed that U is drawn from. Independent of the seeds of ``reset``.
        true_param: U itself, (d, d); the seed is then not used.
        discount: γ in [0, 1). Not part of the dynamics; ``construction`` needs it for its values.
        render_mode: None or ``"rgb_array"``.
        goal_dim: k in 1..d, for ``"projected-goal"`` only; None is the construction's own.

    Raises:
        ValueError: if an argument is outside what is allowed; the message names it.
    """

    metadata = _METADATA

    def __init__(
        self,
        construction: str | type[Construction],
        dim: int = 8,
        group: str = "so",
        rotation_seed: int = 0,
        true_param: ArrayLike | None = None,
        discount: float = 0.9,
        render_mode: str | None = None,
        goal_dim: int | None = None,
    ) -> None:
        super().__init__(1, construction, dim, group, rotation_seed, true_param, discount, render_mode, goal_dim)
        self.observation_space = self._row_observation_space()
        self.action_space = self._row_action_space()

    @override
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: makes this and the following episodes reproducible.
            options: ``desired_goal`` (d,) and ``observation`` (observation_dim,), both optional.

        Returns:
            The observation and an empty info.

        Raises:
            ValueError: if the options have an unknown key, a wrong shape, entries that are not finite or too
                large, or the goal zero.
        """
        given = self._start_options(options or {}, shared_only=True)
        super().reset(seed=seed)
        self._begin(np.ones(1, dtype=np.bool_), [self.np_random], given)
        self._remember(new=False)
        return self._row(), {}

    @override
    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take an action (d,), projected on the unit ball if it lies outside.

        Returns:
            Observation, reward, False, False and an info with the ``action`` that was taken.

        Raises:
            ValueError: if the action is not d finite numbers.
            ResetNeeded: if the environment was never reset.
        """
        checked = _real_array("action", action, [(self.dim,)])
        _require_finite("action", checked)
        reward = self._advance(checked[None], np.ones(1, dtype=np.bool_))
        self._remember()
        return self._row(), float(reward[0]), False, False, {"action": self._action[0].copy()}

    @override
    def render(self) -> NDArray[np.uint8] | None:
        """The current frame, (480, 480, 3) of uint8; None without a render mode."""
        frames = self._frames()
        return None if frames is None else frames[0]

    def _row(self) -> Observation:
        return {key: value[0] for key, value in self._observe().items()}


class VectorGoalEnv(_GoalProcess, VectorEnv[dict[str, Any], NDArray[Any], NDArray[Any]]):
    """Many copies of :class:`GoalEnv` stepped as arrays; the default of ``gymnasium.make_vec``.

    ## Description
    The copies share U (one agent learns from all of them) and differ in start and goal. Seeds, observations,
    rewards, infos and automatic resets are those of ``gymnasium.vector.SyncVectorEnv`` over ``GoalEnv`` with a
    time limit, number for number.

    ## Action Space, Observation Space, Rewards, Starting State
    Those of :class:`GoalEnv` with a leading dimension n. ``info["action"]`` is (n, d) and ``info["_action"]``, (n,),
    says which copies have acted.

    ## Episode End
    Never terminated; truncated after ``max_episode_steps`` steps. ``AutoresetMode.NEXT_STEP``: the step after
    the truncation ignores the copy's action, starts its next episode and has reward 0.

    Args:
        num_envs: n ≥ 1, the number of copies.
        construction: as in :class:`GoalEnv`, like all the following ones but ``max_episode_steps``.
        dim: d ≥ 2.
        group: ``"so"``, ``"o"`` or another class of orthogonal matrices.
        rotation_seed: ≥ 0.
        true_param: U itself, (d, d).
        discount: γ in [0, 1).
        max_episode_steps: ≥ 1, the length of an episode.
        render_mode: None or ``"rgb_array"``.
        goal_dim: k in 1..d, for ``"projected-goal"`` only; None is the construction's own.

    Raises:
        ValueError: if an argument is outside what is allowed; the message names it.
    """

    metadata = _METADATA | {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int,
        construction: str | type[Construction],
        dim: int = 8,
        group: str = "so",
        rotation_seed: int = 0,
        true_param: ArrayLike | None = None,
        discount: float = 0.9,
        max_episode_steps: int = 50,
        render_mode: str | None = None,
        goal_dim: int | None = None,
    ) -> None:
        _require_count("num_envs", num_envs, 1)
        _require_count("max_episode_steps", max_episode_steps, 1)
        super().__init__(
            int(num_envs), construction, dim, group, rotation_seed, true_param, discount, render_mode, goal_dim
        )
        self.num_envs = int(num_envs)
        self.max_episode_steps = int(max_episode_steps)
        self.single_observation_space = self._row_observation_space()
        self.single_action_space = self._row_action_space()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._generators: list[np.random.Generator] = []
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)

    @override
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every copy.

        Args:
            seed: an integer s seeds copy i with s + i; a sequence has one seed, or None, for each copy.
            options: ``desired_goal`` (d,) or (n, d) and ``observation`` (observation_dim,) or
                (n, observation_dim), as in :class:`GoalEnv`; automatic resets do not use them. ``reset_mask``
                (n,) of bool restricts the reset to some of the copies.

        Returns:
            The observations and an empty info.

        Raises:
            ValueError: as in :class:`GoalEnv`; also if the seeds are not n, or the mask is not n booleans of
                which one at least is true.
            ResetNeeded: if a mask is given and the environment was never reset as a whole.
        """
        start = dict(options or {})
        rows = self._reset_rows(start.pop("reset_mask", None))
        given = self._start_options(start, shared_only=False)
        self._seed_rows(seed, rows)
        self._begin(rows, self._generators, given)
        self._ended[rows] = False
        self._remember(new=False)
        return self._observe(), {}

    @override
    def step(
        self, actions: ArrayLike
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Take one action in each copy, (n, d); copies whose episode has ended start the next one instead.

        Returns:
            Observations, rewards (n,), terminations (n,), truncations (n,) and the info.

        Raises:
            ValueError: if the actions are not of shape (n, d), or one that is used is not finite.
            ResetNeeded: if the environment was never reset.
        """
        checked = _real_array("actions", actions, [(self.num_envs, self.dim)])
        ended, acting = self._ended, ~self._ended
        checked[ended] = 0.0
        _require_finite("actions", checked)
        rewards = self._advance(checked, acting)
        if ended.any():
            self._begin(ended, self._generators, {})
        self._ended = self._elapsed >= self.max_episode_steps
        self._remember()
        info = {"action": self._action.copy(), "_action": acting} if acting.any() else {}
        return self._observe(), rewards, np.zeros(self.num_envs, dtype=np.bool_), self._ended.copy(), info

    @property
    @override
    def np_random(self) -> Any:
        """The copies' generators, a tuple of n (as in SyncVectorEnv); empty before the first reset."""
        return tuple(self._generators)

    @np_random.setter
    def np_random(self, value: Any) -> None:
        raise AttributeError("np_random: the copies have a generator each; seed them with reset(seed=...)")

    @override
    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The current frames, one (480, 480, 3) of uint8 for each copy; None without a render mode."""
        return self._frames()

    def _reset_rows(self, mask: Any) -> NDArray[np.bool_]:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        rows = np.asarray(mask)
        if rows.dtype != np.bool_ or rows.shape != (self.num_envs,) or not rows.any():
            raise ValueError(
                f"options['reset_mask']: {mask!r} is not {self.num_envs} booleans of which one at least is true"
            )
        if not self._started:
            raise ResetNeeded("the first reset cannot be of some of the copies only: leave out options['reset_mask']")
        return rows

    def _seed_rows(self, seed: int | Sequence[int | None] | None, rows: NDArray[np.bool_]) -> None:
        """Seed the generators of some rows, in SyncVectorEnv's way."""
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + row for row in range(self.num_envs)]
        else:
            seeds = list(seed)
            if len(seeds) != self.num_envs:
                raise ValueError(f"seed: {seed!r} has {len(seeds)} entries, not {self.num_envs}, one for each copy")
        generators = self._generators or [seeding.np_random()[0] for _ in range(self.num_envs)]
        self._generators = [
            generator if row_seed is None or not row else seeding.np_random(row_seed)[0]
            for generator, row_seed, row in zip(generators, seeds, rows, strict=True)
        ]
