"""``kadr new-component``: the folder, test and README of a component that already runs."""

from __future__ import annotations

import ast
import importlib
import keyword
import re
from pathlib import Path
from string import Template

import click

from cli.compose import ROOT
from kadr.contracts.errors import KadrError
from kadr.pipeline import catalogue

TEMPLATES = Path(__file__).parent / "templates"
STAGES = {"frames": "visual", "audio": "audio", "speech": "text"}
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
PLACEHOLDER = "x_name"

NEXT = """
It runs already:
  kadr analyze VIDEO --only $name
  kadr show

Make it yours. Fill two places of functions/$name/component.py:
  1. what it makes: the arrays of $constant
  2. how it is made: measure()
Then say in its test what a user would notice and, when the declaration changed, write the catalogue anew:
  python -m pytest tests/unit/functions/test_$name.py
  python -m kadr.pipeline.catalogue

docs/components.md leads through all of it."""


@click.command("new-component")
@click.argument("name")
@click.option(
    "--reads",
    type=click.Choice(list(STAGES)),
    default="frames",
    show_default=True,
    help="What the component begins with: sampled frames, the sound, or recognised speech.",
)
@click.option(
    "--stage",
    type=click.Choice(sorted(STAGES.values())),
    help="The label under which it is listed; default: as usual for what it reads.",
)
def command(name: str, reads: str, stage: str | None) -> None:
    """Write component NAME, which already runs, with its test and README, and put it into the catalogue."""
    _check_name(name, reads)
    words = _words(name, stage or STAGES[reads])
    _write(ROOT / "functions" / name / "__init__.py", "")
    for kind, path in _places(name).items():
        _write(path, _filled(f"{reads}.{kind}.tmpl", words))
        click.echo(f"wrote {path.relative_to(ROOT)}")
    _write_catalogue(name)
    click.echo(f"wrote {catalogue.PATH.relative_to(ROOT)}")
    click.echo(Template(NEXT).substitute(words))


def _words(name: str, stage: str) -> dict[str, str]:
    camel = "".join(part.capitalize() for part in name.split("_"))
    return {"name": name, "camel": camel, "constant": name.upper(), "stage": stage.upper()}


def _places(name: str) -> dict[str, Path]:
    """Where what a template makes goes."""
    return {
        "component.py": ROOT / "functions" / name / "component.py",
        "README.md": ROOT / "functions" / name / "README.md",
        "test.py": ROOT / "tests/unit/functions" / f"test_{name}.py",
    }


def _filled(template: str, words: dict[str, str]) -> str:
    return Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def _check_name(name: str, reads: str) -> None:
    """Raises click.BadParameter saying what is wrong with ``name`` and what would do."""
    if not NAME.match(name) or keyword.iskeyword(name):
        raise click.BadParameter(
            f"{name!r} is not a name for a component: write small letters, digits and _, e.g. colourfulness"
        )
    taken = [p for p in (ROOT / "functions" / name, _places(name)["test.py"]) if p.exists()]
    if taken:
        raise click.BadParameter(f"{name!r} is taken: there is {taken[0].relative_to(ROOT)} already")
    if name in _used_words(reads):
        raise click.BadParameter(
            f"{name!r} has a meaning of its own in the component's code: choose another name"
        )


def _used_words(reads: str) -> set[str]:
    """Names that the templates themselves use: a function called so would hide them."""
    words = _words(PLACEHOLDER, STAGES[reads])
    trees = [ast.parse(_filled(f"{reads}.{kind}.tmpl", words)) for kind in ("component.py", "test.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {
        a.asname or a.name for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names
    }
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    return (
        imported
        | defined
        | {n.id for n in nodes if isinstance(n, ast.Name)}
        | {n.arg for n in nodes if isinstance(n, ast.arg)}
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KadrError(f"cannot write {path}: {error.strerror}") from error


def _write_catalogue(name: str) -> None:
    importlib.invalidate_caches()
    try:
        catalogue.PATH.write_text(catalogue.generate().text(), encoding="utf-8")
    except Exception as error:
        raise KadrError(
            f"component {name} is written, but the catalogue is not: {type(error).__name__}: {error}. "
            "Mend that, then run `python -m kadr.pipeline.catalogue`"
        ) from error
