"""The tables of the pages say what the registry, the keys of a run and the packaged sweeps say."""

import re
from pathlib import Path

import pytest

from rdbench.config.family import PART_KINDS
from rdbench.config.parts import OWN, names, settings_of
from rdbench.config.run_config import GRID_KEYS, RunConfig
from rdbench.config.sweep import load_sweep, packaged_sweeps

ROOT = Path(__file__).parent.parent.parent
MODELS, RUNS = "rdbench/models/README.md", "rdbench/runs/README.md"
HEADS = {
    "encoder": "| encoder | sign | z | e(z\\|x) | own settings |",
    "decoder": "| decoder | sign | z | d(x\\|z) | own settings |",
    "marginal": "| marginal | sign | z | m(z) | own settings |",
}
SETTINGS = "| setting | of | default | values | meaning |"


def table(page, head):
    """The rows of the one table with that first line."""
    lines = (ROOT / page).read_text().splitlines()
    assert lines.count(head) == 1, f"{page}: expected one table that begins with {head}"
    rows = lines[lines.index(head) + 2 :]
    return rows[: next((at for at, line in enumerate(rows) if not line.startswith("|")), len(rows))]


def compare(page, head, expected):
    found = table(page, head)
    for line in expected:
        assert line in found, f"{page}, table {head}: add the line\n{line}"
    for line in found:
        assert line in expected, f"{page}, table {head}: take out the line\n{line}"
    assert found == expected, f"{page}, table {head}: bring its lines into the order of the registry"


def row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def names_in(cell):
    """What stands between backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def part_row(part):
    sign = f"`{part.sign}`" if part.sign else ""
    return row(
        f"`{part.name}`", sign, ", ".join(part.latent), part.help, ", ".join(f"`{own.name}`" for own in part.settings)
    )


def values(setting):
    return ", ".join(f"`{choice}`" for choice in setting.choices) or setting.expected


@pytest.mark.parametrize("kind", PART_KINDS)
def test_the_page_of_models_has_every_part_of_a_kind(kind):
    compare(MODELS, HEADS[kind], [part_row(part) for part in OWN if part.kind == kind])


def test_the_page_of_models_has_every_setting_of_a_part():
    owners = {}
    for part in OWN:
        for setting in part.settings:
            owners.setdefault(setting, []).append(f"`{part.name}`")
    rows = [
        row(f"`{setting.name}`", ", ".join(of), f"`{setting.default}`", values(setting), setting.help)
        for setting, of in owners.items()
    ]
    compare(MODELS, SETTINGS, rows)


@pytest.mark.parametrize(
    ("kind", "page", "head"),
    [
        ("objective", RUNS, "| `objective` | minimises | settings |"),
        ("figure", "rdbench/analysis/plots/README.md", "| kind | |"),
        ("dataset", "rdbench/data/README.md", "| name | train / validation / test | what |"),
    ],
)
def test_a_page_names_every_part_of_a_kind(kind, page, head):
    rows = {names_in(line)[0]: line for line in table(page, head) if not line.startswith("| `FILE")}
    for part in OWN:
        if part.kind == kind:
            assert part.name in rows, f"{page}, table {head}: add a line such as\n{row(f'`{part.name}`', part.help)}"
    assert list(rows) == names(kind), f"{page}, table {head}: expected {names(kind)}"


def test_the_page_of_runs_has_every_key_and_its_default():
    fields = RunConfig.model_fields
    told = {}
    for line in table(RUNS, "| key | default | meaning |"):
        keys, default, *_ = cells(line)
        keys = names_in(keys)
        told |= dict(zip(keys, default.split(", ") if len(keys) > 1 else [default], strict=True))
    aimed = {key for part in OWN if part.kind == "objective" for key in part.takes}
    for key in GRID_KEYS:
        assert key in told or key in aimed, f"{RUNS}, table of keys: add a line for `{key}`, {fields[key].default}"
    assert set(told) == set(GRID_KEYS) - aimed
    for key in set(told) - {"family"}:
        default, text = fields[key].default, told[key].strip("`")
        if default is None:
            assert text in ("none", "all", "0"), key  # 0 is what the seed of bits becomes where they are drawn
        elif isinstance(default, tuple):
            assert text == ", ".join(map(str, default)), key
        else:
            assert text == str(default).lower() or float(text) == default, key


def test_the_page_of_runs_has_every_setting_of_objectives_and_every_gradient():
    text = (ROOT / RUNS).read_text().partition("## Objectives")[2]
    for key in {key for part in OWN if part.kind == "objective" for key in part.takes}:
        assert f"`{key}`" in text, f"{RUNS}, Objectives: tell of `{key}`"
    told = {name for line in table(RUNS, "| `gradient` | for | what |") for name in names_in(cells(line)[0])}
    assert told == {choice for part in OWN if "gradient" in (own := settings_of([part]))
                    for choice in own["gradient"].choices}  # fmt: skip


def test_the_readme_has_the_signs_of_the_papers_parts():
    text = " ".join((ROOT / "README.md").read_text().split())
    for part in OWN:
        if part.kind in PART_KINDS and part.sign in ("-", "+", "v"):
            assert f"{part.name} (`{part.sign}`)" in text


def test_the_readme_has_every_packaged_sweep_and_its_number_of_runs():
    told = {}
    for line in table("README.md", "| packaged | runs | on two CPU cores | what |"):
        name, runs, *_ = cells(line)
        told[name.strip("`")] = int(runs.replace(",", ""))
    counts = {name: len(load_sweep(name).runs()) for name in packaged_sweeps()}
    for name, count in counts.items():
        assert name in told, f"README.md, table of sweeps: add a line for `{name}`, {count} runs"
    assert told == counts
