"""Neural architecture search as a Gymnasium environment.

Importing this package registers the environment ids; it does not import torch.

Example:
    >>> import gymnasium as gym, nas_env
    >>> env = gym.make("NAS-v0", evaluator="synthetic")
    >>> observation, info = env.reset(seed=0)
    >>> env.action_space.sample(info["action_mask"]) in info["action_mask"].nonzero()[0]
    True
"""

from nas_env.registration import register_all

__version__ = "0.1.0"
REPOSITORY = ""  # public address; with it: project.urls, repository-code of CITATION.cff, README

register_all()

__all__ = ["REPOSITORY", "__version__"]
