"""Contract tests test the protocol: unusual plug-ins pass them, and wrong ones do not.

The examples are entered in a copy of the repository, as CONTRIBUTING says: one file each, nothing
else changed. The good ones keep to the protocol, but are unlike all that the repository has: a
space of 124 walks, a layer that takes vectors only, a regression task, a task without classes that
derives from `Task` alone, an evaluator without accuracy, and an objective on R^2.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.checkout_copy import contract_outcomes, copy_checkout, name_of
from tests.support.paths import ROOT

EXAMPLES = ROOT / "tests" / "support" / "plugin_examples"
# Of each wrong example, one contract test that has to fail.
WRONG = {
    "nas_env/spaces/wrong_cost.py": "test_additive_costs_equal_the_predicted_parameters",
    "nas_env/layers/wrong_params.py": "test_every_kind_runs_alone",
    "nas_env/tasks/wrong_splits.py": "test_splits_are_disjoint",
    "nas_env/tasks/wrong_repeats.py": "test_training_repeats",
    "nas_env/evaluators/wrong_order.py": "test_as_many_come_out_in_order",
    "nas_env/objectives/wrong_needs.py": "test_objectives_name_the_metrics_they_need",
}


def enter(kind: str, copy: Path) -> list[str]:
    """Copy the examples that are "good" or "wrong" and return their paths in the copy."""
    source = EXAMPLES / kind
    paths = sorted(str(path.relative_to(source)) for path in source.rglob("*.py"))
    for path in paths:
        assert not (copy / path).exists(), f"{path} is taken: the example needs another name"
        shutil.copy(source / path, copy / path)
    return paths


def test_unusual_plugins_pass_all_contract_tests(tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path)
    paths = enter("good", copy)
    assert {str(Path(path).parent) for path in paths} == {str(Path(path).parent) for path in WRONG}
    found = contract_outcomes(copy, paths, "tests/nas_env/test_imports.py")
    assert not found["FAILED"] + found["ERROR"]
    for path in paths:
        passed = [test for test in found["PASSED"] if name_of(path) in test]
        assert len(passed) >= 2, f"contract tests that ran over {path}: {passed}"


def test_wrong_plugins_fail_their_contract_tests(tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path)
    paths = enter("wrong", copy)
    assert paths == sorted(WRONG)
    found = contract_outcomes(copy, paths)
    for path, test in WRONG.items():
        failed = [x for x in found["FAILED"] if name_of(path) in x]
        assert any(test in x for x in failed), f"{path} passed {test}; failed: {failed}"
