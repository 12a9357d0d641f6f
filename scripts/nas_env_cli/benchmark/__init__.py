"""A benchmark: agents x environments x seeds, one tidy file of results, and pages made from it."""

from importlib.util import find_spec

from nas_env.errors import MissingDependencyError

NEEDED = ("matplotlib", "pyarrow", "rliable")  # the last only for the page, hours later

if missing := [name for name in NEEDED if find_spec(name) is None]:
    raise MissingDependencyError(
        f"Benchmarks need {' and '.join(missing)}, not installed here. Run, in the checkout: "
        "pip install -c constraints.txt -e '.[agents,benchmark]'."
    )
