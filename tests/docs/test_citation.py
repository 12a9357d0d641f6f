"""What the project says about itself is the same everywhere: version, title, address."""

from __future__ import annotations

import re
import tomllib

import pytest

import nas_env
from tests.support.paths import ROOT

yaml = pytest.importorskip("yaml")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_citation_has_the_fields_of_its_format() -> None:
    """Those that version 1.2.0 of the Citation File Format requires, and no invented ones."""
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] == "software"
    assert all(isinstance(x["name"], str) for x in CITATION["authors"])
    assert {"doi", "identifiers"}.isdisjoint(CITATION)


def test_the_citation_is_that_of_the_package() -> None:
    assert CITATION["version"] == nas_env.__version__
    assert CITATION["license"] == PROJECT["license"]
    assert [x["name"] for x in CITATION["authors"]] == [x["name"] for x in PROJECT["authors"]]
    assert CITATION["title"] == f"nas-env: {PROJECT['description']}"


def test_the_readme_cites_the_same() -> None:
    (version,) = re.findall(r"version\s*= \{(.*)\},", README)
    (title,) = re.findall(r"title\s*= \{(.*)\},", README)
    assert (version, title) == (nas_env.__version__, CITATION["title"])


def test_the_address_is_the_constant_or_nowhere() -> None:
    urls = PROJECT.get("urls", {})
    if nas_env.REPOSITORY:
        assert urls["Repository"] == CITATION["repository-code"] == nas_env.REPOSITORY
        assert nas_env.REPOSITORY in README
    else:
        assert not urls
        assert {"url", "repository", "repository-code"}.isdisjoint(CITATION)
