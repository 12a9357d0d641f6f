"""What `make test` leaves out."""

from __future__ import annotations

from tests.support.slow_tests import read, slow


def test_the_list_names_only_tests_that_there_are(stale_slow_tests: list[str]) -> None:
    assert not stale_slow_tests, "run `make slow-tests` on an idle machine, or remove these lines"


def test_a_test_most_of_whose_cases_are_slow_is_listed_whole() -> None:
    seconds = {"a::x[1]": 0.1, "a::x[2]": 0.7, "a::y[1]": 0.7, "a::y[2]": 0.7, "a::z": 0.6}
    assert slow(seconds, 0.5) == ["a::x[2]", "a::y", "a::z"]
    assert slow(seconds, 1.0) == []


def test_comments_and_empty_lines_name_no_test(tmp_path) -> None:
    (tmp_path / "list.txt").write_text("# a comment\n\na::x[1]\n")
    assert read(tmp_path / "list.txt") == {"a::x[1]"}
    assert read(tmp_path / "absent.txt") == set()
