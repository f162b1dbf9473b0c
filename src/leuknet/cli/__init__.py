"""The command line: reads arguments, calls the library, prints.

Results go to standard output; progress and errors to standard error. An error is three lines: what, why,
what to try. Exit status: 0 done, 2 something is wrong with what was given, 1 a bug of ours, 130 stopped.

`main` is the entry point; each group of commands has a module here.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from leuknet import __version__
from leuknet.cli import account_commands as account
from leuknet.cli import audit_command as audit
from leuknet.cli import audit_log_command as audit_log
from leuknet.cli import benchmark_command as benchmark
from leuknet.cli import data_commands as data
from leuknet.cli import model_commands as model
from leuknet.cli import plan_commands as plan
from leuknet.cli import run_commands as run
from leuknet.cli import store_commands as store
from leuknet.cli.batch_command import batch
from leuknet.cli.compare_command import compare
from leuknet.cli.ensemble_command import ensemble
from leuknet.cli.evaluate_command import evaluate
from leuknet.cli.explain_command import explain
from leuknet.cli.export_command import export
from leuknet.cli.foreign_options import where_else
from leuknet.cli.hub_commands import pull, push
from leuknet.cli.mrmc_command import mrmc
from leuknet.cli.report_command import report
from leuknet.cli.serve_command import serve
from leuknet.cli.smear_commands import cells, smear
from leuknet.cli.subject_command import subject
from leuknet.cli.tune_command import tune
from leuknet.cli.worker_command import worker
from leuknet.errors import LeukNetError, missing_extra

BUG_STATUS = 1
STOPPED_STATUS = 130

app = typer.Typer(
    name="leuknet",
    help=(
        "Tells leukaemic B-lymphoblasts (ALL) from normal lymphocytes (HEM) in microscope images.\n\n"
        "Research software, not a medical device.\n\n"
        "Start with `leuknet reproduce paper --demo`: it draws simulated cells, trains the paper's network "
        "on them and writes one page that explains the result."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(model.app, name="model")
app.command("recipes")(model.recipes)
app.command("train")(run.train)
app.command("ensemble")(ensemble)
app.command("evaluate")(evaluate)
app.command("predict")(run.predict)
app.command("batch")(batch)
app.command("explain")(explain)
app.command("export")(export)
app.command("push")(push)
app.command("pull")(pull)
app.command("cells")(cells)
app.command("smear")(smear)
app.command("subject")(subject)
app.command("worker")(worker)
app.command("reproduce")(run.reproduce)
app.command("report")(report)
app.command("compare")(compare)
app.command("audit")(audit.audit)
app.command("benchmark")(benchmark.benchmark)
app.command("tune")(tune)
app.command("serve")(serve)
app.command("mrmc")(mrmc)
app.add_typer(plan.app, name="plan")
app.add_typer(account.app, name="account")
app.add_typer(audit_log.app, name="audit-log")
app.add_typer(store.app, name="store")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leuknet {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # Away from a terminal a bar is a line in a log: one in ten seconds is enough.
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "10")


def _elsewhere(error: LeukNetError) -> str:
    told = where_else(error.fix, sys.argv[1:], typer.main.get_group(app).commands)
    return f" ({told})" if told else ""


def main() -> None:
    """Run the command line and exit with its status."""
    debug = "--debug" in sys.argv[1:]
    try:
        # Exits by itself, with 2 and a message if the command line is at fault. We rely on that instead of
        # catching the errors: Typer has a copy of click since 0.26, and these are not those of click itself.
        app(prog_name="leuknet")
    except SystemExit as done:
        # Typer makes this of Ctrl-C, and says nothing.
        if done.code == STOPPED_STATUS:
            sys.stderr.write("leuknet: stopped\n")
        raise
    except LeukNetError as error:
        if debug:
            raise
        sys.stderr.write(f"leuknet: {error}{_elsewhere(error)}\n")
        status = error.exit_status
    except OSError as error:
        if debug:
            raise
        place = "a file" if error.filename is None else repr(str(error.filename))
        sys.stderr.write(
            f"leuknet: cannot read or write {place}\n  why: {error.strerror or repr(error)}\n"
            "  try: check the path, its folder, the permissions and the space left on the disk\n"
        )
        status = LeukNetError.exit_status
    except Exception as error:
        if debug:
            raise
        missing = None
        if isinstance(error, ModuleNotFoundError):
            missing = missing_extra(error, what="cannot run this command")
        if missing is not None:
            sys.stderr.write(f"leuknet: {missing}\n")
            status = missing.exit_status
        else:
            sys.stderr.write(
                f"leuknet: stopped by a bug in LeukNet\n  why: {type(error).__name__}: {error}\n"
                "  try: run the same command with --debug before it, and report what it prints\n"
            )
            status = BUG_STATUS
    sys.exit(status)
