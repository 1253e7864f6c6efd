"""Toy environments for the theory of goal-conditioned sample complexity: what is learned, and by whom.

Importing this package registers the constructions with Gymnasium:

    import gymnasium
    import toyenvs

    gymnasium.register_envs(toyenvs)  # does nothing but tell a linter that the import is used
    env = gymnasium.make("toyenvs/GradientFeedback-v0", dim=8)
    envs = gymnasium.make_vec("toyenvs/NoRewardGradient-v0", num_envs=16, dim=8)
"""

import gymnasium

from toyenvs.registry import REGISTRY

__all__ = ["ENV_IDS"]

ENV_IDS: dict[str, str] = {entry.env_id: name for name, entry in REGISTRY.items() if entry.environment}
"""The registered Gymnasium ids, and the name of the construction behind each."""

for _env_id, _construction in ENV_IDS.items():
    # A second import of this module (a reload, say) must not register again: Gymnasium warns of the override.
    if _env_id not in gymnasium.registry:
        gymnasium.register(
            id=_env_id,
            # As strings: to load the environments would import torch into every program that only wants the registry.
            entry_point="toyenvs.envs.goal_env:GoalEnv",
            vector_entry_point="toyenvs.envs.goal_env:VectorGoalEnv",
            max_episode_steps=50,
            kwargs={"construction": _construction},
        )
