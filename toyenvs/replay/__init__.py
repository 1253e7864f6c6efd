"""Replay buffers: transitions, and the protocols by which they are collected."""

from toyenvs.replay.transitions import BehaviourStreams, Transitions, child_stream, collect, draw_behaviour

__all__ = ["BehaviourStreams", "Transitions", "child_stream", "collect", "draw_behaviour"]
