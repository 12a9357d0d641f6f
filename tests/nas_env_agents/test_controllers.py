"""What the controllers of Zoph and Le and of NASNet have beyond REINFORCE: anchors, and PPO."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.spaces import SPACES, Joint
from nas_env.spaces.skip_chain import FILTERS, SkipChainSpace
from nas_env_agents import AGENTS, make_agent
from nas_env_agents.common.policy_gradient import Episode
from nas_env_agents.reinforce_lstm import ReinforceLSTM
from tests.support.tiny_space import all_scores, tiny_env

TYPES = range(8, 12)  # the decisions for a layer's filters


def skip_env(depth: int = 3) -> gymnasium.Env:
    space = SkipChainSpace(depth, (), "skips", (3, 8, 8), 10)
    images = np.random.default_rng(0).normal(size=(60, 3, 8, 8))
    data = {"x": images, "y": np.arange(60) % 10}
    return gymnasium.make(
        "NAS-v0", space=space, data=data, evaluator="synthetic", observation="tokens"
    )


def numbers(agent: ReinforceLSTM) -> dict[str, np.ndarray]:
    return {k: x.detach().numpy().astype(float) for k, x in agent.controller.named_parameters()}


def sampled(agent: ReinforceLSTM, count: int) -> list[Episode]:
    size, agent.batch_size = agent.batch_size, count + 1
    while len(agent.batch) < count:
        agent.learn(1)
    found, agent.batch, agent.batch_size = agent.batch[:count], [], size
    return found


# ---- anchors ----


@pytest.mark.parametrize("name", ["skip-chain", "skip-chain-strides", "enas-macro"])
def test_anchors_are_the_decisions_about_skip_connections(name):
    space = SPACES.get(name)(input_shape=(3, 32, 32), num_outputs=10)
    rng, state, asked = np.random.default_rng(0), space.start(), []
    for _ in range(space.max_length):
        choice = space.choice(state)
        asked.append((choice.name, choice.legal))
        state = space.follow(state, int(rng.choice(choice.legal)))
    about = {x.position: x for x in space.anchors}
    wanted = [
        i for i, (what, _) in enumerate(asked) if what.split(": ")[1][:5] in ("layer", "stem")
    ]
    assert sorted(about) == wanted
    points = {}
    for position in wanted:
        anchor, (what, legal) = about[position], asked[position]
        layer, earlier = what.split(": ")
        assert legal == (anchor.apart, anchor.reads)
        assert points.setdefault(layer, anchor.layer) == anchor.layer, "one point for each layer"
        assert points.setdefault(earlier, anchor.earlier) == anchor.earlier
        assert anchor.earlier < anchor.layer <= position
    assert {*points} >= {"layer 1", "layer 2", "layer 3"}
    own = 1 if name == "enas-macro" else space.own
    for layer, point in points.items():
        if layer != "stem":
            assert [what.split(": ")[0] for what, _ in asked[point - own : point]] == [layer] * own


def test_anchors_move_behind_training_choices():
    inner = SPACES.get("skip-chain")(input_shape=(3, 32, 32), num_outputs=10)
    joint = Joint(inner, learning_rate=(0.001, 0.01), batch_size=(32, 64))
    assert [x.position for x in joint.anchors] == [x.position + 2 for x in inner.anchors]
    assert [x.earlier for x in joint.anchors] == [x.earlier + 2 for x in inner.anchors]


def test_the_chance_of_reading_is_the_papers_formula():
    """P(j reads i) = sigmoid(v . tanh(W_prev h_j + W_curr h_i)), h after its own decisions."""
    agent = ReinforceLSTM(skip_env(), seed=2, anchors=True, init_range=1.0, units=6)
    weights = numbers(agent)
    walk = [0, 5, 8, 1, 6, 11, 13, 3, 4, 10, 12, 13]  # layer 2 reads 1; layer 3 reads 2 alone
    before = torch.tensor([agent.controller.start, *walk[:-1]])[:, None]
    with torch.no_grad():
        hidden = agent.controller.read(before)[0][:, 0].numpy().astype(float)
    points = {1: 3, 2: 6, 3: 10}
    chances = {}
    for position, (layer, earlier) in {6: (2, 1), 10: (3, 1), 11: (3, 2)}.items():
        inside = weights["previous.weight"] @ hidden[points[earlier]]
        inside = inside + weights["current.weight"] @ hidden[points[layer]]
        chances[position] = 1 / (1 + np.exp(-(weights["score.weight"][0] @ np.tanh(inside))))
    assert min(abs(x - y) for x in chances.values() for y in chances.values() if x is not y) > 2e-3
    agent.env.reset(seed=0)
    for position, action in enumerate(walk):
        mask = agent.env.get_wrapper_attr("action_masks")()
        if position in chances:
            assert np.flatnonzero(mask).tolist() == [12, 13]
            apart, reads = agent.logits(position)[[12, 13]].astype(float)
            assert np.exp(reads) / (np.exp(apart) + np.exp(reads)) == pytest.approx(
                chances[position], abs=1e-6
            )
        agent.env.step(action)
    masks = np.zeros((12, 14), bool)
    masks[sorted(chances), 12:] = True
    for position in set(range(12)) - set(chances):
        masks[position, walk[position]] = True  # no other choice, no other factor
    chosen = agent.read([Episode(masks, np.array(walk), 1.0)])[0][:, 0].detach().numpy()
    factors = [chances[6], 1 - chances[10], chances[11]]
    assert chosen.sum() == pytest.approx(np.log(factors).sum(), abs=1e-5)


def test_gradients_flow_through_the_attention():
    agent = ReinforceLSTM(skip_env(), seed=1, anchors=True, init_range=0.5, units=8)
    batch = [x._replace(advantage=a) for x, a in zip(sampled(agent, 2), (1.5, -0.5), strict=True)]
    gradient = agent.gradient(batch)
    sizes = {k: float(x.grad.abs().max()) for k, x in agent.controller.named_parameters()}
    assert min(sizes.values()) > 1e-4, sizes
    direction = gradient / np.linalg.norm(gradient)
    values = []
    for sign in (1, -2):
        agent.parameters += sign * 1e-2 * direction
        agent._load()
        values.append(agent.objective(batch).item())
    slope = (values[0] - values[1]) / 2e-2
    assert slope == pytest.approx(np.linalg.norm(gradient), rel=0.02)


class RightSkips(gymnasium.Wrapper):
    """A toy: the filters of each layer are drawn, 24 or 64, and those with 24 are to be read.

    All else has one legal value. The reward is the share of right skip decisions; a policy that
    does not look at the filters has 0.5 in the mean.
    """

    def __init__(self, env: gymnasium.Env, seed: int) -> None:
        super().__init__(env)
        self.draws = np.random.default_rng(seed)

    def _narrowed(self, info: dict) -> dict:
        legal = np.flatnonzero(info["action_mask"])
        if len(legal) and legal[0] < 12:
            kept = self.draws.choice(legal[[0, -1]]) if legal[0] in TYPES else legal[0]
            mask = np.zeros_like(info["action_mask"])
            mask[kept] = 1
            info["action_mask"] = mask
        return info

    def reset(self, **arguments):
        self.walk: list[int] = []
        observation, info = self.env.reset(**arguments)
        return observation, self._narrowed(info)

    def step(self, action):
        observation, _, terminated, truncated, info = self.env.step(action)
        self.walk.append(int(action))
        reward = self.score() if terminated else 0.0
        return observation, reward, terminated, truncated, self._narrowed(info)

    def score(self) -> float:
        anchors = self.unwrapped.space.anchors
        read = [self.walk[x.position] == x.reads for x in anchors]
        wanted = [FILTERS[self.walk[x.earlier - 1] - 8] == 24 for x in anchors]
        return float(np.mean(np.equal(read, wanted)))


def learned(anchors: bool, seed: int, episodes: int) -> float:
    """Return the mean reward of the last 100 episodes."""
    env = RightSkips(skip_env(), seed)
    settings = {"learning_rate": 0.01, "batch_size": 8, "units": 16, "init_range": 0.3}
    agent = ReinforceLSTM(env, seed=seed, anchors=anchors, normalise=True, **settings)
    rewards: list[float] = []
    end = agent.end_episode
    agent.end_episode = lambda steps: (rewards.append(steps[-1].reward), end(steps))[1]
    while len(rewards) < episodes:
        agent.learn(1)
    return float(np.mean(rewards[-100:]))


def test_anchors_learn_skips_that_depend_on_the_filters_of_a_layer():
    """After 1,200 episodes of seeds 0, 1, 2: 1.00, 0.99, 1.00; without them 0.54, 0.82, 0.50."""
    attention, plain = (learned(anchors, seed=0, episodes=800) for anchors in (True, False))
    assert attention > 0.9
    assert attention > plain + 0.1


def test_saved_anchors_decide_the_same(tmp_path):
    agent = make_agent("reinforce-lstm", skip_env(), seed=0, preset="zoph-le", batch_size=3)
    agent.learn(60)
    agent.save(tmp_path / "agent")
    again = AGENTS.get("reinforce-lstm").load(tmp_path / "agent", skip_env())
    assert again.settings() == agent.settings() and again.anchors
    one, other = ([x.actions.tolist() for x in sampled(x, 10)] for x in (agent, again))
    assert one == other
    greedy = []
    for each in (agent, again):
        observation, info = each.env.reset(seed=1)
        while info["action_mask"].any():
            action, _ = each.predict(observation, deterministic=True)
            observation, *_, info = each.env.step(action)
        greedy.append(each.env.unwrapped.state.walk)
    assert greedy[0] == greedy[1]


def test_anchors_are_refused_where_nothing_is_decided_about_skips():
    with pytest.raises(
        IncompatibleError, match=r"Space 'tiny' has no decisions about .* or anchors=False"
    ):
        make_agent("reinforce-lstm", tiny_env("tokens"), preset="zoph-le")
    edits = gymnasium.make("NASEdit-v0", evaluator="synthetic", observation="tokens")
    with pytest.raises(IncompatibleError, match="An edit has no decisions about"):
        make_agent("reinforce-lstm", edits, anchors=True)


def test_the_preset_of_zoph_and_le_is_the_papers():
    agent = make_agent("reinforce-lstm", skip_env(), preset="zoph-le")
    assert (agent.units, agent.layers, agent.learning_rate) == (35, 2, 0.0006)
    assert agent.anchors and agent.adam and not agent.clip and agent.batch_size == 1
    assert 0.0799 < np.abs(agent.parameters).max() <= 0.08
    assert agent.controller.lstm.num_layers == 2 and agent.controller.score.in_features == 35


# ---- PPO ----


def test_the_first_epoch_is_the_plain_gradient():
    agent = ReinforceLSTM(tiny_env("tokens"), seed=1, clip=0.2, init_range=0.4, entropy=0.01)
    batch = [x._replace(advantage=a) for x, a in zip(sampled(agent, 3), (1, -0.5, 2), strict=True)]
    with torch.no_grad():
        old = agent.read(batch)[0]
    plain = agent.gradient(batch)
    assert np.abs(plain).max() > 1e-3
    np.testing.assert_allclose(agent.gradient(batch, old), plain, rtol=1e-4, atol=1e-7)


def test_the_surrogate_is_clipped_as_in_ppo():
    agent = ReinforceLSTM(tiny_env("tokens"), seed=1, clip=0.2, init_range=0.4)
    batch = [x._replace(advantage=a) for x, a in zip(sampled(agent, 2), (1.5, -0.7), strict=True)]
    with torch.no_grad():
        old = agent.read(batch)[0]
    agent.parameters += np.random.default_rng(0).normal(0, 0.3, len(agent.parameters)).astype("f4")
    agent._load()
    with torch.no_grad():
        new = agent.read(batch)[0]
    total, cut = 0.0, 0
    for column, (_, actions, advantage) in enumerate(batch):
        for step in range(len(actions)):
            ratio = np.exp(float(new[step, column] - old[step, column]))
            clipped = min(max(ratio, 0.8), 1.2)
            total += min(ratio * advantage, clipped * advantage) / 2
            cut += clipped * advantage < ratio * advantage
    assert cut > 0, "at least one decision is beyond the clip"
    assert agent.objective(batch, old).item() == pytest.approx(total, rel=1e-4)


def test_a_batch_is_learned_from_so_many_times():
    agent = make_agent("reinforce-lstm", tiny_env("tokens"), seed=0, preset="nasnet")
    calls: list[int] = []
    gradient = agent.gradient
    agent.gradient = lambda batch, old: (calls.append(len(batch)), gradient(batch, old))[1]
    for episode in range(1, 41):
        agent.learn(1)
        assert len(calls) == 10 * (episode // 20) == agent.optimiser.updates
    assert set(calls) == {20} and agent.batch == []


def test_the_preset_of_nasnet_is_the_papers(tmp_path):
    agent = make_agent("reinforce-lstm", tiny_env("tokens"), preset="nasnet")
    assert (agent.units, agent.layers, agent.learning_rate) == (100, 1, 0.00035)
    assert (agent.entropy, agent.baseline.momentum) == (1e-5, 0.95)
    assert (agent.batch_size, agent.clip, agent.epochs) == (20, 0.2, 10)
    assert 0.0999 < np.abs(agent.parameters).max() <= 0.1
    agent.learn(30)
    agent.save(tmp_path / "agent")
    again = ReinforceLSTM.load(tmp_path / "agent", tiny_env("tokens"))
    assert again.settings() == agent.settings() and again.clip == 0.2


def test_the_preset_of_nasnet_learns():
    """Random search scores 0.50 in the mean here, and one network in a hundred 0.730."""
    env = tiny_env("tokens")
    agent = make_agent("reinforce-lstm", env, seed=0, preset="nasnet")
    rewards: list[float] = []
    end = agent.end_episode
    agent.end_episode = lambda steps: (rewards.append(steps[-1].reward), end(steps))[1]
    while len(rewards) < 2000:
        agent.learn(1)
    assert abs(np.mean(rewards[:100]) - 0.5) < 0.05
    assert np.mean(rewards[-100:]) >= np.quantile(all_scores(), 0.9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": 1.0}, "clip must be in"),
        ({"clip": -0.1}, "clip must be in"),
        ({"epochs": 0, "clip": 0.2}, "epochs must be an integer"),
        ({"epochs": 2}, "epochs must be 1 if clip is 0"),
        ({"init_range": 0.0}, "init_range must be > 0"),
        ({"anchors": 1}, "anchors must be True or False"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InvalidSettingError, match=message):
        make_agent("reinforce-lstm", tiny_env("tokens"), **settings)
