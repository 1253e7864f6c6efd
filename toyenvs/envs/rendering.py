"""Frames for ``render_mode="rgb_array"``: a d-dimensional episode seen in the plane of goal and action.

The plane is spanned by the desired goal and the action just taken. The goal points to the right in every
frame, so a step is good as far as it moves the state to the right; the height is the action's own direction,
and the angle between the action and the step that it caused is what the unknown U does in this plane.

matplotlib is imported when the first frame is drawn, not with this module, and pyplot is not used at all:
a frame has its own figure and canvas and leaves nothing behind.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyenvs.algebra import is_zero, select, split
from toyenvs.constructions import Construction, NoRewardGradient

__all__ = ["draw_frame", "goal_action_plane", "position"]

FRAME_SIZE = 480
"""Width and height of a frame in pixels."""

PARALLEL_TOLERANCE = 1e-9
"""Sine of the angle to the goal under which an action is taken as parallel to it."""

_PATH, _GOAL, _ACTION = "#30475e", "#2a9d5c", "#d1495b"


@singledispatch
def position(construction: Construction, observation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a state is drawn: a point (..., d) for a state (..., observation_dim).

    The achieved goal, unless a construction registers something better with ``position.register``.
    """
    return np.asarray(construction.achieved_goal(observation))


@position.register
def _(construction: NoRewardGradient, observation: NDArray[np.float64]) -> NDArray[np.float64]:
    # The achieved goal s¹ is zero after every second step. The half that is not zero is the point that the
    # process carries along; a path through it shows the walk without the jumps to the origin.
    first, second = split(observation)
    return np.asarray(select(is_zero(first), second, first))


def goal_action_plane(goal: NDArray[np.float64], action: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Orthonormal basis of the plane of goal and action, by Gram-Schmidt.

    Where there is no action, or one that is zero or parallel to the goal, the second direction comes from the
    coordinate axis that is furthest from the goal (the first such axis).

    Args:
        goal: (d,), not zero.
        action: (d,), or None before the first step.

    Returns:
        (2, d): the goal's direction, then the second one.
    """
    first = goal / np.linalg.norm(goal)
    axis = np.zeros_like(first)
    axis[np.argmin(np.abs(first))] = 1.0
    candidates = [axis] if action is None else [action, axis]
    for candidate in candidates:
        second = candidate - (candidate @ first) * first
        if np.linalg.norm(second) > PARALLEL_TOLERANCE * np.linalg.norm(candidate):
            break
    return np.stack([first, second / np.linalg.norm(second)])


def draw_frame(
    path: NDArray[np.float64],
    goal: NDArray[np.float64],
    action: NDArray[np.float64] | None,
    *,
    hidden: bool = False,
) -> NDArray[np.uint8]:
    """Draw the state's path, the goal's direction and the last action, projected on the plane of the two.

    Args:
        path: (T, d), T ≥ 1: the episode's positions so far, oldest first.
        goal: (d,), not zero; drawn from the origin with length 1, or longer where that would be too small to see.
        action: (d,), the action that led to the last position; None before the first step. Drawn to scale
            where it was taken, at the last position but one.
        hidden: whether the reward cannot see the last position (it is then drawn as a ring).

    Returns:
        (FRAME_SIZE, FRAME_SIZE, 3), red, green and blue.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plane = goal_action_plane(goal, action)
    points = path @ plane.T
    origin = np.zeros(2)

    drawn = [points, origin[None]]
    if action is not None:
        drawn.append((points[-2] + plane @ action)[None])
    corners = np.concatenate(drawn)
    span = max(float(np.ptp(corners, axis=0).max()), 2.0)
    goal_tip = np.array([max(1.0, 0.15 * span), 0.0])
    corners = np.concatenate([corners, goal_tip[None]])
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    half = 0.62 * max(float(np.ptp(corners, axis=0).max()), 2.0)

    dpi = 100
    figure = Figure(figsize=(FRAME_SIZE / dpi, FRAME_SIZE / dpi), dpi=dpi, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.13, 0.11, 0.84, 0.84))
    axes.set_aspect("equal")
    # Room is left on top, where the legend goes.
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - 0.85 * half, centre[1] + 1.15 * half)
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color("#bbbbbb")
    axes.tick_params(labelsize=8, colors="#555555", length=0)
    axes.set_xlabel("along the goal", fontsize=9, color="#555555")
    axes.set_ylabel(
        "across the goal" if action is None else "across the goal, towards the action", fontsize=9, color="#555555"
    )

    axes.plot(*origin, marker="+", markersize=9, color="#888888", linestyle="none")
    axes.plot(points[:, 0], points[:, 1], color=_PATH, linewidth=1.3, marker="o", markersize=2.6, alpha=0.75)
    handles: list[Any] = [_arrow(axes, origin, goal_tip, _GOAL, "goal")]
    if action is not None:
        handles.append(_arrow(axes, points[-2], points[-2] + plane @ action, _ACTION, "action"))
    handles += axes.plot(
        *points[-1],
        marker="o",
        markersize=9,
        markeredgewidth=1.8,
        markeredgecolor=_PATH,
        markerfacecolor="white" if hidden else _PATH,
        linestyle="none",
        label="state (reward cannot see it)" if hidden else "state",
    )
    axes.legend(
        handles=handles,
        loc="upper center",
        ncols=3,
        fontsize=8.5,
        facecolor="white",
        edgecolor="none",
        framealpha=1.0,
        handlelength=1.4,
        columnspacing=1.4,
    )

    canvas.draw()
    return np.array(canvas.buffer_rgba(), dtype=np.uint8)[..., :3].copy()


def _arrow(axes: Any, start: NDArray[np.float64], end: NDArray[np.float64], color: str, label: str) -> Any:
    """Draw an arrow; return a line that stands for it in the legend."""
    from matplotlib.lines import Line2D

    axes.annotate(
        "",
        xy=tuple(end),
        xytext=tuple(start),
        arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0},
    )
    return Line2D([], [], color=color, linewidth=2.2, label=label)
