"""Parts from files and from packages: found by name, digested, and never brought by data."""

import ast
import sys
from pathlib import Path

import pytest

import rdbench
from rdbench.config import parts, plugins
from rdbench.config.aims import aim
from rdbench.config.family import FAMILIES, parse_family
from rdbench.config.parts import Part, Setting, find, known
from rdbench.config.plugins import load_plugins, make
from rdbench.config.run_config import make_run
from rdbench.config.sources import check_sources
from rdbench.config.sweep import load_sweep
from rdbench.errors import UserError

FILE = """
from torch import nn
from rdbench.config.parts import Part, Setting

class Encoder(nn.Module):
    def __init__(self, size, depth=2, kind="plain"):
        super().__init__()
        self.depth, self.kind = depth, kind

PARTS = [Part("encoder", "mine", "Encoder", settings=(
    Setting("depth", 2, "layers", least=1), Setting("kind", "plain", "which", choices=("plain", "wide"))))]
"""

MORE = """
class Flat(nn.Module):
    '''A flat marginal.'''
    latent = ("bits",)

class Priced(nn.Module):
    '''A price for the rate.'''
    settings = (Setting("price", 0.5, "nats for a nat"),)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.fixture(autouse=True)
def only_our_own():
    """Forget the parts that a test brings."""
    before = dict(parts._registry)
    yield
    parts._registry.clear()
    parts._registry.update(before)
    plugins._entry_points.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package as pip leaves it: its modules, and its entry points."""
    name = f"house_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    module = tmp_path / name / "__init__.py"
    module.write_text(FILE + MORE)
    info = tmp_path / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        f"[rdbench.encoders]\npacked = {name}:Encoder\n[rdbench.marginals]\nflat = {name}:Flat\n"
        f"[rdbench.objectives]\npriced = {name}:Priced\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plugins._entry_points.cache_clear()
    return name, module


def test_a_file_brings_its_parts_and_their_settings(file):
    load_plugins([file])
    run = make_run({"encoder": "mine", "depth": "3"})
    assert run.family.words == run.family.signs == "mine-deconv-gaussian"
    assert run.settings == {"depth": 3, "kind": "plain"}
    assert make("encoder", "mine").__name__ == "Encoder"
    assert parse_family("mine-pixelcnn-vamp").encoder == "mine"


def test_a_package_brings_its_parts_and_is_imported_only_for_them(package):
    name, _ = package
    assert "packed" in parts.names("encoder")
    assert name not in sys.modules
    part = find("encoder", "packed")
    assert part.origin.where == name
    assert part.origin.version == "1.2"
    assert find("marginal", "flat").latent == ("bits",)
    with pytest.raises(UserError, match="marginal flat takes z of bits; encoder packed gives vector"):
        make_run({"encoder": "packed", "marginal": "flat"})


def test_the_source_of_a_part_is_in_the_name_of_its_runs(file):
    load_plugins([file])
    run = make_run({"encoder": "mine"})
    check_sources(run.sources)
    parts.unregister(find("encoder", "mine"))
    file.write_text(FILE + "# another\n")
    with pytest.raises(UserError, match=r"unknown encoder 'mine'.*--plugin"):
        check_sources(run.sources)
    load_plugins([file])
    assert make_run({"encoder": "mine"}).run_id("d" * 64) != run.run_id("d" * 64)
    with pytest.raises(UserError, match=r"encoder mine: the source in .*mine.py is .* described with"):
        check_sources(run.sources)


def test_a_setting_is_part_of_the_name_only_off_its_default(file):
    load_plugins([file])
    plain, told, other = ({"encoder": "mine"} | more for more in ({}, {"depth": 2}, {"depth": 3}))
    ids = [make_run(values).run_id("d" * 64) for values in (plain, told, other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"encoder": "mine", "depth": 0}, "depth: found 0; .*greater than or equal to 1"),
        ({"encoder": "mine", "kind": "odd"}, "kind: found 'odd'; expected plain or wide"),
        ({"depth": 3}, "depth is a setting of encoder mine"),
        ({"encoder": "mine", "dept": 3}, "unknown key 'dept'; did you mean 'depth'"),
    ],
)
def test_a_bad_setting_is_refused(file, values, told):
    load_plugins([file])
    with pytest.raises(UserError, match=told):
        make_run(values)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("PARTS = []", "found no list PARTS"),
        ('from rdbench.config.parts import Part\nPARTS = [Part("engine", "x", "X")]', "found the kind 'engine'"),
        ('from rdbench.config.parts import Part\nPARTS = [Part("encoder", "iaf", "X")]', "'iaf' is already a part"),
    ],
)
def test_a_file_that_brings_no_parts_is_refused_in_one_line(tmp_path, text, told):
    path = tmp_path / "odd.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        load_plugins([path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ('"my-enc", "X"', "encoder 'my-enc' of .*odd.py: expected a name of the letters a to z, digits and _"),
        ('"Mine", "X"', "expected a name of the letters a to z"),
        ('"mine", "X", sign="+"', "the sign '\\+' is another part's"),
        ('"mine", "X", latent="bits"', r"found latent='bits'; expected a tuple, such as latent=\('bits',\)"),
        ('"mine", "X", settings=Setting("depth", 2, "")', "found settings=Setting"),
        ('"mine", "X", settings=("depth",)', "found the setting 'depth'; expected a Setting"),
        ('"mine", "X", settings=(Setting("depth", None, ""),)', "expected a Setting with a number"),
        ('"mine", "X", settings=(Setting("my-depth", 2, ""),)', "setting 'my-depth': expected a name of the letters"),
        ('"mine", "X", settings=(Setting("width", 2, ""),)', "setting 'width': this is a key of every run"),
        ('"mine", "X", settings=(Setting("family", 2, ""),)', "setting 'family': this is a key of every run"),
        ('"mine", "X", settings=(Setting("codes", 0.5, ""),)', "found float; that of encoder vq is int"),
        ('"mine", "X", settings=(Setting("depth", 0, "", least=1),)', "depth: found 0; .*greater than or equal to 1"),
        ('"mine", "X", takes=("beta",)', "found takes 'beta'; expected none"),
    ],
)
def test_a_part_that_cannot_stand_beside_the_others_is_refused(tmp_path, part, told):
    path = tmp_path / "odd.py"
    path.write_text(f"from rdbench import Part, Setting\nPARTS = [Part('encoder', {part})]")
    with pytest.raises(UserError, match=told) as caught:
        load_plugins([path])
    assert "\n" not in str(caught.value)


def test_an_installed_objective_brings_its_settings(package):
    """They are keys of a sweep, and go to it alone where the sweep has other objectives."""
    values = {"family": "---", "objective": ["priced", "beta-vae"], "price": [1.0, 2.0], "beta": 1.0}
    runs = load_sweep("demo").with_values(values).runs()
    assert [(run.objective, run.settings.get("price"), run.beta) for run in runs] == [
        ("priced", 1.0, None),
        ("priced", 2.0, None),
        ("beta-vae", None, 1.0),
    ]
    assert [source.split()[:2] for source in runs[0].sources] == [["objective", "priced"]]


@pytest.mark.parametrize("key", ["price", "epochs", "nonsense"])
def test_an_objective_takes_only_keys_that_our_own_take(file, key):
    """Its own setting is no such key, nor is a key that every run has."""
    own = f'Part("objective", "priced", "P", takes=({key!r},), settings=(Setting("price", 0.5, ""),))'
    file.write_text(f"from rdbench import Part, Setting\nPARTS = [{own}]")
    with pytest.raises(UserError, match=f"objective 'priced' of .*: found takes '{key}'; expected some of beta, "):
        load_plugins([file])


def test_an_objective_that_takes_no_key_is_called_by_its_name():
    parts.register(Part("objective", "plain", "m:M"))
    assert aim({"objective": "plain"}) == "plain"
    with pytest.raises(UserError, match=r"beta 0.5 is not a setting .*plain, which takes none; leave it out"):
        make_run({"objective": "plain", "beta": 0.5})


def test_all_stays_the_papers_twelve(file):
    load_plugins([file])
    runs = load_sweep("demo").runs()
    assert {run.family for run in runs} == set(FAMILIES)


def test_a_grid_gives_a_setting_to_the_families_that_take_it(file):
    load_plugins([file])
    values = {"family": ["mine-deconv-gaussian", "---"], "depth": [1, 2], "beta": 1.0}
    runs = load_sweep("demo").with_values(values).runs()
    assert [(run.family.signs, run.settings.get("depth")) for run in runs] == [
        ("mine-deconv-gaussian", 1),
        ("---", None),
        ("mine-deconv-gaussian", 2),
    ]


def test_a_stored_description_is_read_without_its_parts(file):
    load_plugins([file])
    config = make_run({"encoder": "mine", "depth": 5}).model_dump(mode="json")
    parts.unregister(find("encoder", "mine"))
    assert make_run(config, reading=True).settings["depth"] == 5
    with pytest.raises(UserError, match="not the setting of a part"):
        make_run(config | {"odd": [1]}, reading=True)


@pytest.mark.parametrize("source", ["x", "encoder mine", f"engine mine {'0' * 64}", f"encoder a b {'0' * 64}", "", 3])
def test_a_stored_source_of_another_form_is_refused(source):
    with pytest.raises(UserError, match="sources"):
        make_run({"sources": [source]}, reading=True)


def test_code_is_loaded_in_one_place():
    """A sweep, a setting, a table or a plan never brings code."""
    loaders = {"import_module", "exec_module", "__import__", "exec", "eval", "entry_points", "run_path", "run_module"}
    found = set()
    for path in Path(rdbench.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in loaders and getattr(getattr(node.func, "value", None), "id", "") != "model":
                    found.add(path.name)
    assert found == {"plugins.py"}


@pytest.mark.parametrize("name", ["os:system", "../evil", "mine.py", "rdbench.config.plugins:make", "a b", ""])
def test_a_name_in_data_imports_nothing(name):
    modules = set(sys.modules)
    assert known("encoder", name) is None
    with pytest.raises(UserError):
        make_run({"encoder": name})
    with pytest.raises(UserError):
        make_run({"encoder": name, "sources": [f"encoder {name} 00"]})
    assert set(sys.modules) == modules


def test_settings_of_the_same_name_have_the_same_type():
    types: dict[str, type] = {}
    for part in parts.OWN:
        for setting in part.settings:
            assert types.setdefault(setting.name, type(setting.default)) is type(setting.default)
    assert isinstance(Part("encoder", "x", "y:Z", settings=(Setting("n", 1, ""),)).settings, tuple)
