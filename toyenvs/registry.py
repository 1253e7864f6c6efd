"""The constructions, one line each: the only place besides its file that knows of a construction.

Reading the table imports nothing: ``import toyenvs`` registers the environments from it, and ``toyenvs.constructions``
loads the classes.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REGISTRY", "Registered"]


@dataclass(frozen=True)
class Registered:
    """Where a construction is, and what it is registered as.

    Attributes:
        module: the module that defines it.
        class_name: its class there.
        from_paper: whether it is one of the paper's: goals of dimension d, and a reduction at every discount and target
            parameter.
        environment: whether it has a Gymnasium id, ``toyenvs/<class name>-v0``.
    """

    module: str
    class_name: str
    from_paper: bool = False
    environment: bool = True

    @property
    def env_id(self) -> str:
        """Its id with Gymnasium, if it has one."""
        return f"toyenvs/{self.class_name}-v0"


REGISTRY: dict[str, Registered] = {
    "gradient-feedback": Registered("toyenvs.constructions.gradient_feedback", "GradientFeedback", from_paper=True),
    "no-reward-gradient": Registered("toyenvs.constructions.no_reward_gradient", "NoRewardGradient", from_paper=True),
    "projected-goal": Registered("toyenvs.constructions.projected_goal", "ProjectedGoal"),
    "translation": Registered("toyenvs.constructions.translation", "Translation", environment=False),
}
"""By name, on the command line and in result files."""
