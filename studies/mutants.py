"""Puts faults into a module, one at a time, and counts those that its tests catch: `make mutants`.

    python studies/mutants.py evaluation/formulas data/split

mutmut makes the faults ("mutants"): an operator, a number, a word or an argument is changed. It changes
functions and methods without a decorator, and nothing outside them. Left out as well, by one rule for every
module, are the words of errors: what stands in a `raise`, in `why=` and `fix=`, and in variables of these
names. What is left is caught if a test of the module fails, or takes ten times as long as without the fault.

mutmut's own runner starts pytest for each mutant, which takes most of the time. Here tests are collected once;
each mutant then has a fork of that process, in which the tests run that reach its function, the quickest first.

What was tried is kept in `build/mutants`: a further run tries only what was not caught, and begins again where
the module was changed; `make clean` forgets all. The counts go into CONTRIBUTING.md. Start at `Trial`; `MODULES` says which tests belong to a module.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import hashlib
import importlib.util
import json
import math
import os
import resource
import subprocess
import sys
import textwrap
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import libcst
import pytest
from mutmut.mutation.file_mutation import MutatedFile, combine_mutations_to_source, create_mutations
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "CONTRIBUTING.md"
TABLE = "| Module | Mutants | Caught |\n|---|---|---|\n"
WORK = REPOSITORY / "build" / "mutants"

MODULES: dict[str, tuple[str, ...]] = {
    "evaluation/formulas": ("tests/evaluation/test_metrics.py",),
    "evaluation/metrics": ("tests/evaluation/test_metrics.py",),
    "evaluation/jackknife": ("tests/evaluation/test_jackknife.py",),
    "evaluation/limits": ("tests/evaluation/test_jackknife.py",),
    "evaluation/calibration_error": ("tests/evaluation/test_calibration_error.py",),
    "evaluation/resampling": ("tests/evaluation/test_resampling.py",),
    "data/split": ("tests/data/test_split_by_hand.py", "tests/data/test_split.py"),
    "data/overlap": ("tests/data/test_overlap.py",),
    "evaluation/calibrate": ("tests/evaluation/test_calibrate.py",),
    "inference/familiar": ("tests/inference/test_familiar.py",),
    "evaluation/spread": ("tests/evaluation/test_spread.py",),
    "store/reviews": ("tests/store/test_reviews_faults.py", "tests/store/test_reviews.py"),
    "store/blinding": ("tests/store/test_blinding.py",),
    "batch/merge": ("tests/batch/test_merge_faults.py",),
    "room/fhir": ("tests/room/test_exchange_faults.py",),
    "room/dicom_sr": ("tests/room/test_exchange_faults.py",),
}
"""Modules of `leuknet` that are tried, and the tests that are to catch their faults."""

_LONGEST_S = 20.0  # beside ten times what the tests take without a fault; of the processor, not of the clock


class Trial:
    """The mutants of one module, and what became of them; a plugin of pytest.

    Parameters
    ----------
    source
        The module's file.
    name
        Under which it is imported.
    folder
        Keeps the module with its mutants, and what became of them.
    """

    def __init__(self, source: Path, name: str, folder: Path) -> None:
        self.mutated = mutate(source)
        self.names = [f"{name}.{mutant}" for mutant in self.mutated.mutant_names]
        self.clean = True
        self._module, self._path, self._kept = name, folder / f"{name}.py", folder / f"{name}.json"
        self._failed = False
        folder.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self.mutated.code, "utf-8")
        self._key = hashlib.sha256(self.mutated.code.encode()).hexdigest()
        kept = json.loads(self._kept.read_text("utf-8")) if self._kept.exists() else {}
        self.ends: dict[str, str] = kept["ends"] if kept.get("key") == self._key else {}

    @property
    def lived(self) -> list[str]:
        """The names of the mutants that no test noticed."""
        return [name for name in self.names if self.ends.get(name) != "caught"]

    def diff(self, name: str) -> str:
        """Return what a mutant changes."""
        mutant = name.rpartition(".")[2]
        original = f"{mutant.rpartition('__mutmut_')[0]}__mutmut_orig"
        lines = self.mutated.code.splitlines()
        spans = [self.mutated.line_span_by_function_name[key] for key in (original, mutant)]
        before, after = (lines[span.start : span.end] for span in spans)  # without the line that has the name
        return "\n".join([name, *list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]])

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Let the module be imported with its mutants, as a finder of `sys.meta_path`."""
        return importlib.util.spec_from_file_location(name, self._path) if name == self._module else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note whether a test failed."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try what was not caught before, in place of running the tests."""
        reached = self._look(session.items)
        if reached is None:
            self.clean = False
            return True
        gc.freeze()  # else collecting garbage in a fork copies every page of this process
        for name in self.lived:
            own = sorted(reached[mangled_name_from_mutant_name(name)])
            items = [session.items[number] for _, number in own]
            limit_s = _LONGEST_S + 10 * sum(took_s for took_s, _ in own)
            passed = _in_fork(partial(self._run, items, name), limit_s)
            self.ends[name] = "lived" if passed else "caught"
            self._kept.write_text(json.dumps({"key": self._key, "ends": self.ends}, indent=1), "utf-8")
        return True

    def _look(self, items: Sequence[pytest.Item]) -> dict[str, list[tuple[float, int]]] | None:
        """Return for each function the tests that reach it, by seconds and number; None if one fails."""
        found = self._path.with_suffix(".reached.json")

        def look() -> bool:
            reached = defaultdict(list)
            for number, item in enumerate(items):
                state()._stats.clear()
                started = time.process_time()
                if not self._run([item], "stats"):
                    print(f"{item.nodeid} fails without a fault", file=sys.__stderr__)
                    return False
                for function in state()._stats:
                    reached[function].append((time.process_time() - started, number))
            found.write_text(json.dumps(reached), "utf-8")
            return True

        if not _in_fork(look, math.inf):
            return None
        reached = json.loads(found.read_text("utf-8"))
        return defaultdict(list, {key: [tuple(pair) for pair in pairs] for key, pairs in reached.items()})

    def _run(self, items: Sequence[pytest.Item], mutant: str) -> bool:
        """Run tests with a mutant up to the first that fails; tell whether none did."""
        set_mutant_under_test(mutant)
        self._failed = False
        for item in items:
            # Fixtures are made anew for each test: a shared one hides that the next test reaches a function.
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._failed:
                return False
        return True


def mutate(source: Path) -> MutatedFile:
    """Return a module with all its mutants, of which one is switched on at a time."""
    module, mutations, *ignored = create_mutations(str(source), source.read_text("utf-8"))
    kept = [mutation for mutation in mutations if not _is_of_words(mutation)]
    return combine_mutations_to_source(module, kept, *ignored)


def _in_fork(work: Callable[[], bool], limit_s: float) -> bool:
    """Do some work in a fork of this process; tell whether it returned True within its time."""
    child = os.fork()
    if child == 0:
        done = False
        try:
            if math.isfinite(limit_s):
                most = math.ceil(time.process_time() + limit_s)
                resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
            done = work()
        finally:
            os._exit(0 if done else 1)
    return os.waitpid(child, 0)[1] == 0


def _is_of_words(mutation: Any) -> bool:
    """Tell whether a mutation changes only what an error says."""
    function = mutation.contained_by_top_level_function
    if function is None:
        return False
    mutant = function.deep_replace(mutation.original_node, mutation.mutated_node)
    return _without_words(function) == _without_words.__wrapped__(mutant)


@cache
def _without_words(function: libcst.CSTNode) -> str:
    tree = ast.parse(textwrap.dedent(libcst.Module([]).code_for_node(function)))
    return ast.dump(_Wordless().visit(tree))


class _Wordless(ast.NodeTransformer):
    """Takes the words of errors out of a syntax tree."""

    WORDS = frozenset({"what", "why", "fix"})

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg in self.WORDS:
            node.value = ast.Constant("")
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if all(isinstance(target, ast.Name) and target.id in self.WORDS for target in node.targets):
            node.value = ast.Constant("")
        return self.generic_visit(node)


def try_module(module: str, tests: Sequence[str], *, repository: Path, folder: Path) -> Trial:
    """Try the mutants of `src/leuknet/<module>.py` that were not caught before; once in a process.

    Raises
    ------
    SystemExit
        If a test fails without a fault.
    """
    os.chdir(repository)
    sys.path.insert(0, str(repository / "src"))
    trial = Trial(Path(f"src/leuknet/{module}.py"), f"leuknet.{module.replace('/', '.')}", folder)
    sys.meta_path.insert(0, trial)  # only this method of a finder is asked for
    quiet = [
        "-o",
        "addopts=",
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",  # the order of tests, and with it what a mutant meets, is the same in every run
        "--hypothesis-seed=0",
        "-k",
        "not postgresql",
    ]
    ended = pytest.main([*quiet, f"--basetemp={folder / 'tmp'}", *tests], plugins=[trial])
    if ended or not trial.clean:
        raise SystemExit(f"cannot try {module}: its tests fail without a fault, or cannot be collected")
    return trial


def main() -> None:
    """Try the modules that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(MODULES)}; all if none is named")
    modules = parser.parse_args().modules or list(MODULES)
    if unknown := sorted(set(modules) - set(MODULES)):
        parser.error(f"no tests are named for {', '.join(unknown)}; known are {', '.join(MODULES)}")
    os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}  # a fork takes no threads with it
    if len(modules) > 1:
        for module in modules:
            subprocess.run([sys.executable, __file__, module], check=True)  # noqa: S603
        return
    (module,) = modules
    trial = try_module(module, MODULES[module], repository=REPOSITORY, folder=WORK)
    n_caught = len(trial.names) - len(trial.lived)
    shown = [trial.diff(name) for name in trial.lived]
    summary = f"{module}: {n_caught} of {len(trial.names)} mutants caught ({n_caught / len(trial.names):.1%})"
    sys.stdout.write("\n".join([*shown, summary, ""]))
    note(module, len(trial.names), n_caught)


def note(module: str, n_mutants: int, n_caught: int) -> None:
    """Write a module's line into the table of CONTRIBUTING.md."""
    before, _, rest = PAGE.read_text("utf-8").partition(TABLE)
    rows, _, after = rest.partition("\n\n")
    kept = {row.split("|")[1].strip(): row for row in rows.splitlines() if row}
    kept[module] = f"| {module} | {n_mutants} | {n_caught} |"
    PAGE.write_text(
        "\n".join([before + TABLE.rstrip(), *(kept[key] for key in sorted(kept)), "", after]), "utf-8"
    )


if __name__ == "__main__":
    main()
