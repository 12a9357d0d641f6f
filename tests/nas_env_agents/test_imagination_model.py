"""The numerics of the reward model: kernel, Gaussian process, targets, acquisition."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import norm, rankdata

import nas_env  # noqa: F401 - registers the environments
from nas_env.spaces import SPACES
from nas_env_agents.imagination.acquisition import log_expected_improvement
from nas_env_agents.imagination.kernel import Inputs, Kernel
from nas_env_agents.imagination.model import RewardModel
from nas_env_agents.imagination.process import Data, GaussianProcess, Posterior, noise
from nas_env_agents.imagination.targets import rank_normal, standardised
from tests.support.tiny_space import tiny_space

SPACE_NAMES = ["tiny", "nasbench201", "nasbench-macro", "mlp", "chain-bench"]


def space_of(name):
    return tiny_space() if name == "tiny" else SPACES.get(name)()


def walks_of(space, count, seed=0):
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)


def moved(process, seed=1):
    """Return the process with other parameters than those of the start."""
    process.vector = process.vector + 0.3 * np.random.default_rng(seed).normal(
        size=len(process.vector)
    )
    return process


def data_of(kernel, walks, seed=2, counts=None):
    targets = np.random.default_rng(seed).normal(size=len(walks))
    return Data(kernel.encode(walks), targets, np.ones(len(walks)) if counts is None else counts)


def dense(process, data, inputs):
    """Return mean and sd by solving the equations as they stand in the book."""
    gram = process.kernel.gram(process.vector, data.inputs, data.inputs)
    covariance = gram + np.diag(noise(process.vector) / data.counts)
    cross = process.kernel.gram(process.vector, data.inputs, inputs)
    mean = cross.T @ np.linalg.solve(covariance, data.targets)
    variance = 1 - np.einsum("ij,ij->j", cross, np.linalg.solve(covariance, cross))
    return mean, np.sqrt(np.maximum(variance, 0))


# ---- the kernel ----


@pytest.mark.parametrize("described", [False, True])
def test_before_learning_likeness_is_a_power_of_the_number_of_differences(described):
    space = SPACES.get("nasbench201")()
    kernel, walks = Kernel(space), walks_of(space, 40)
    vector = kernel.prior()[0]
    inputs = kernel.encode(walks)
    apart = (inputs.tokens[:, None] != inputs.tokens[None]).sum(axis=2)
    np.testing.assert_allclose(kernel.gram(vector, inputs, inputs), 0.6**apart, rtol=1e-12)
    if described:
        kernel = Kernel(space, described=True)
        inputs = kernel.encode(walks)
        gram = kernel.gram(kernel.prior()[0], inputs, inputs)
        paths = np.exp(
            -((inputs.descriptors[0][:, None] - inputs.descriptors[0][None]) ** 2).sum(axis=2) / 80
        )
        np.testing.assert_allclose(gram, 0.5 * 0.6**apart + 0.5 * paths, rtol=1e-10)


def test_long_walks_are_no_strangers_before_learning():
    for name, expected in (("nasbench201", 1.0), ("chain-bench", 1.0), ("enas-macro", None)):
        space = SPACES.get(name)()
        kernel = Kernel(space)
        inputs = kernel.encode(walks_of(space, 200))
        gram = kernel.gram(kernel.prior()[0], inputs, inputs)
        mean = -np.log(gram[~np.eye(len(gram), dtype=bool)]).mean() / -np.log(0.6)
        assert kernel.start_weight == expected or expected is None
        if expected is None:  # other walks than those that set the weight, hence not exactly 9
            assert kernel.start_weight < 0.5
            assert mean == pytest.approx(9.0, rel=0.05)
        else:
            assert mean < 9.0


def test_walks_of_different_length_differ_where_one_has_ended():
    space = SPACES.get("chain-bench")()
    kernel = Kernel(space)
    walks = sorted(walks_of(space, 60), key=len)
    short, long = walks[0], walks[-1]
    assert len(short) < len(long)
    tokens = kernel.encode([short, long]).tokens
    assert tokens.shape == (2, space.max_length)
    assert (tokens[0, len(short) :] == space.num_decisions).all()
    assert tokens[1, : len(long)].tolist() == list(long)
    # By hand: each position adds the share of the fields in which its two decisions differ.
    fields = [{n: str(v) for n, (v, _) in x.fields.items()} for x in space.options()]
    names = {name for each in fields for name in each}
    exponent = 0.0
    for one, other in zip(*tokens.tolist(), strict=True):
        if one == other:
            continue
        if space.num_decisions in (one, other):
            exponent += 1.0
        else:
            parts = [fields[one].get(n, "") != fields[other].get(n, "") for n in names]
            exponent += sum(parts) / len(names)
    gram = kernel.gram(kernel.prior()[0], kernel.encode([short]), kernel.encode([long]))
    assert exponent > 1
    np.testing.assert_allclose(gram, [[0.6**exponent]], rtol=1e-12)


@pytest.mark.parametrize("name", SPACE_NAMES)
def test_gram_is_symmetric_positive_definite_with_ones_on_the_diagonal(name):
    space = space_of(name)
    process = moved(GaussianProcess(Kernel(space)))
    inputs = process.kernel.encode(walks_of(space, 50))
    gram = process.kernel.gram(process.vector, inputs, inputs)
    np.testing.assert_allclose(gram, gram.T, atol=1e-14)
    np.testing.assert_allclose(np.diag(gram), 1.0, atol=1e-12)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
    assert (gram >= 0).all() and (gram <= 1).all()


def test_no_two_decisions_are_the_same_to_the_kernel():
    for name in SPACES:
        kernel = Kernel(SPACES.get(name)())
        assert len({tuple(row) for row in kernel.start.tolist()}) == kernel.absent + 1


# ---- the process ----


@pytest.mark.parametrize(
    ("name", "described"), [("tiny", False), ("nasbench201", False), ("nasbench201", True)]
)
def test_gradient_agrees_with_finite_differences(name, described):
    space = space_of(name)
    process = moved(GaussianProcess(Kernel(space, described)))
    walks = walks_of(space, 20)
    data = data_of(process.kernel, walks, counts=np.arange(1.0, 21.0) % 3 + 1)
    found, start = process.gradient(data), process.vector.copy()
    assert found.shape == start.shape
    for index in range(len(start)):
        values = []
        for step in (1e-5, -1e-5):
            process.vector = start.copy()
            process.vector[index] += step
            values.append(process.objective(data))
        expected = (values[0] - values[1]) / 2e-5
        assert abs(found[index] - expected) < 1e-5 * max(1.0, abs(expected)), index


@pytest.mark.parametrize("name", SPACE_NAMES)
def test_posterior_agrees_with_a_dense_reference(name):
    space = space_of(name)
    process = moved(GaussianProcess(Kernel(space)))
    walks = walks_of(space, 60)
    data = data_of(process.kernel, walks[:40], counts=np.arange(1.0, 41.0) % 4 + 1)
    inputs = process.kernel.encode(walks[30:])
    mean, spread = process.posterior(data).predict(inputs)
    expected = dense(process, data, inputs)
    np.testing.assert_allclose(mean, expected[0], atol=1e-9)
    np.testing.assert_allclose(spread, expected[1], atol=1e-7)


def test_rows_added_one_by_one_agree_with_a_fit_of_all():
    space = space_of("nasbench-macro")
    process = moved(GaussianProcess(Kernel(space)))
    walks = walks_of(space, 120)
    data = data_of(process.kernel, walks[:100])
    some = Data(Inputs(data.inputs.tokens[:60]), data.targets[:60], data.counts[:60])
    grown = process.posterior(some)
    for index in range(60, 100):
        one = Inputs(data.inputs.tokens[index : index + 1])
        grown = grown.extended(one, data.targets[index : index + 1])
    whole = process.posterior(data)
    np.testing.assert_allclose(grown.inverse_factor, whole.inverse_factor, atol=1e-9)
    inputs = process.kernel.encode(walks)
    for one, other in zip(grown.predict(inputs), whole.predict(inputs), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_believing_what_is_expected_changes_no_mean_and_lowers_the_spread():
    space = space_of("tiny")
    process = GaussianProcess(Kernel(space))
    walks = walks_of(space, 40)
    posterior = process.posterior(data_of(process.kernel, walks[:20]))
    after = posterior.extended(process.kernel.encode(walks[25:26]))
    inputs = process.kernel.encode(walks)
    (mean, spread), (mean_after, spread_after) = posterior.predict(inputs), after.predict(inputs)
    np.testing.assert_allclose(mean, mean_after, atol=1e-10)
    assert (spread_after <= spread + 1e-12).all()
    assert spread_after[25] < 0.6 * spread[25]


def test_fitting_finds_out_which_position_matters():
    space = space_of("nasbench201")
    model = RewardModel(space, target="score")
    for walk in walks_of(space, 150):
        model.tell(walk, float(walk[2] == 3) + 0.01 * walk[0])
        if len(model) >= 8:
            model.fit()
    weights = np.exp(model.process.kernel.unpack(model.process.vector).log_weights)
    assert weights.argmax() == 2
    assert weights[2] > 2 * np.delete(weights, 2).max()


def test_a_fit_raises_the_objective_and_learns_to_predict():
    space = space_of("nasbench-macro")
    walks = walks_of(space, 200)
    scores = np.array([sum(walk) + walk[0] * walk[7] for walk in walks], dtype=float)
    process = GaussianProcess(Kernel(space))
    inputs = process.kernel.encode(walks)
    data = Data(Inputs(inputs.tokens[:100]), rank_normal(scores[:100]), np.ones(100))
    rest = Inputs(inputs.tokens[100:])
    before = process.objective(data)
    rank_before = np.corrcoef(rankdata(process.posterior(data).predict(rest)[0]), scores[100:])
    process.fit(data, 60)
    rank_after = np.corrcoef(rankdata(process.posterior(data).predict(rest)[0]), scores[100:])
    assert process.objective(data) > before
    assert rank_after[0, 1] > rank_before[0, 1]
    assert rank_after[0, 1] > 0.95


# ---- what must not break it ----


@pytest.mark.parametrize("count", [1, 2, 8, 500])
def test_any_number_of_observations_gives_finite_numbers(count):
    space = space_of("nasbench-macro")
    model = RewardModel(space)
    walks = walks_of(space, count + 5)
    for walk in walks[:count]:
        model.tell(walk, float(sum(walk)))
    mean, spread = model.posterior().predict(model.process.kernel.encode(walks))
    assert np.isfinite(mean).all() and np.isfinite(spread).all()
    assert (spread >= 0).all() and (spread <= 1 + 1e-12).all()


def test_constant_rewards_leave_the_mean_at_zero():
    space = space_of("tiny")
    model = RewardModel(space)
    for walk in walks_of(space, 12):
        model.tell(walk, 0.3)
    assert (model.data().targets == 0).all()
    assert np.abs(model.expected()).max() == 0
    assert np.isfinite(model.process.vector).all()


def test_a_walk_that_is_evaluated_again_counts_with_its_mean_and_less_noise():
    space = space_of("tiny")
    walks = walks_of(space, 10)
    model = RewardModel(space, target="score", learn=False)
    for number, walk in enumerate(walks):
        model.tell(walk, float(number))
    before = model.posterior().predict(model.process.kernel.encode(walks[:1]))[1]
    for _ in range(9):
        model.tell(walks[0], 1.0)
    assert len(model) == 10
    assert model.scores[0] == pytest.approx(0.9)
    assert model.data().counts.tolist() == [10.0] + [1.0] * 9
    after = model.posterior().predict(model.process.kernel.encode(walks[:1]))[1]
    assert after[0] < 0.6 * before[0]


def test_likeness_of_walks_that_learning_takes_for_the_same_breaks_nothing():
    space = space_of("nasbench201")
    process = GaussianProcess(Kernel(space))
    process.vector[:-1] = 0.0  # all embeddings equal: the gram is all ones
    process.vector[-1] = -40.0  # and there is no noise
    data = data_of(process.kernel, walks_of(space, 50))
    posterior = process.posterior(data)
    mean, spread = posterior.predict(data.inputs)
    assert np.isfinite(mean).all() and np.isfinite(spread).all()
    assert np.isfinite(process.gradient(data)).all()


# ---- targets and acquisition ----


def test_rank_normal_agrees_with_scipy_and_shares_ranks_of_ties():
    scores = np.random.default_rng(0).integers(0, 12, 60) / 7
    expected = norm.ppf((rankdata(scores) - 0.5) / 60)
    np.testing.assert_allclose(rank_normal(scores), standardised(expected), atol=1e-12)
    assert len(set(rank_normal(scores).tolist())) == len(set(scores.tolist()))
    squeezed = rank_normal(np.where(scores < 1, scores - 1e6, scores))
    np.testing.assert_array_equal(squeezed, rank_normal(scores), "an outlier changes nothing")


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.0] * 7])
def test_equal_scores_become_zeros(values):
    for target in (rank_normal, standardised):
        assert (target(np.array(values)) == 0).all()


def test_expected_improvement_agrees_with_sampling_and_stays_finite():
    rng = np.random.default_rng(0)
    means, spreads = np.array([-1.0, 0.0, 1.5]), np.array([0.5, 1.0, 0.2])
    draws = np.maximum(means + spreads * rng.normal(size=(400_000, 3)) - 0.5, 0).mean(axis=0)
    found = np.exp(log_expected_improvement(means, spreads, 0.5))
    np.testing.assert_allclose(found, draws, rtol=0.02, atol=1e-5)
    u = -np.linspace(0, 60, 1000)
    far = log_expected_improvement(u, np.ones(1000), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all(), "no jump where the expansion begins"
    reference = norm.logpdf(-12.0) + np.log(1 - 12 * norm.sf(12.0) / norm.pdf(12.0))
    assert log_expected_improvement(np.array([-12.0]), np.ones(1), 0.0)[0] == pytest.approx(
        reference, abs=1e-6
    )
    assert np.isfinite(log_expected_improvement(np.zeros(1), np.zeros(1), 1.0)).all()


def test_a_posterior_is_a_value():
    space = space_of("tiny")
    process = GaussianProcess(Kernel(space))
    walks = walks_of(space, 12)
    posterior = process.posterior(data_of(process.kernel, walks[:10]))
    inputs = process.kernel.encode(walks)
    before = posterior.predict(inputs)
    posterior.extended(process.kernel.encode(walks[10:11]), np.array([5.0]))
    process.fit(posterior.data, 3)
    for one, other in zip(before, posterior.predict(inputs), strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(posterior, Posterior)


def test_descriptors_of_nasbench201_count_paths():
    space = gym.make("NASBench201-v0").unwrapped.space
    # conv3x3 on 0-1, skip on 0-2 and 1-2, none on 0-3, pool on 1-3, conv1x1 on 2-3
    counts = space.descriptors((3, 1, 1, 0, 4, 2))["paths"]
    assert len(counts) == 40 and sum(counts) == 3
    assert sum(space.descriptors((0,) * 6)["paths"]) == 0
    assert sum(space.descriptors((1,) * 6)["paths"]) == 4
