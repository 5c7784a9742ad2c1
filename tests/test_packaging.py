"""The environment is stated in three files; they must say the same."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def stated() -> list[str]:
    """Requirement strings of pyproject.toml, all extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name != "all"}
    return [*project["dependencies"], *(need for needs in extras.values() for need in needs)]


def test_environment_yml_lists_exactly_what_pyproject_lists(stated):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert sorted(line for line in pip if not line.startswith("--")) == sorted(stated)


def test_the_extra_all_names_every_other_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    inside = set(Requirement(extras["all"][0]).extras)
    assert inside == set(extras) - {"all"}


def test_the_lock_pins_every_stated_package_to_a_version_it_allows(stated):
    lock = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            lock[name.lower().replace("_", "-")] = version
    for text in stated:
        need = Requirement(text)
        version = lock[need.name.lower().replace("_", "-")]
        assert need.specifier.contains(version, prereleases=True), f"{text} against {version} in the lock"


def test_importing_ipiu_brings_in_neither_torch_nor_numpy_nor_pandas():
    heavy = ("torch", "monai", "numpy", "pandas", "matplotlib")
    code = f"import sys, ipiu; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_wrong_name_on_the_face_answers_with_the_right_ones():
    import ipiu

    with pytest.raises(AttributeError, match=r"no attribute 'opne'.*open, samples, view"):
        ipiu.opne  # noqa: B018


def test_the_repository_address_stands_the_same_wherever_it_is_written():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    address = config["repository"]["url"]
    for notebook in (ROOT / "notebooks").rglob("*.ipynb"):
        assert f"git+{address}" in notebook.read_text(), notebook
