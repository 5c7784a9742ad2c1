import json
from pathlib import Path

import pytest

from ipiu.book.check import chapter_faults
from ipiu.book.layout import Book
from ipiu.book.stored import stored_form
from tests.book.tiny import PARAMETERS, notebook

HEAD = """# A title

<div class="ipiu-card">

- **You will learn** a thing.
- **Time** a minute.
- **Memory** 1 GB.
- **GPU** no.
- **Data** none.
- **Before this** nothing.

</div>
"""
ANSWER = "Why?\n\n<details><summary>Answer</summary>\n\nBecause.\n\n</details>\n\n"
TAIL = f"## Takeaways\n\n- One.\n\n## Questions\n\n{ANSWER}{ANSWER}## References\n\n```{{footbibliography}}\n```\n"

ROOT = Path(__file__).parents[2]


def faults(tmp_path, *cells):
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(stored_form(notebook(*cells))))
    return chapter_faults(path)


def test_a_chapter_of_the_right_form_has_no_faults(tmp_path):
    assert faults(tmp_path, ("markdown", HEAD), PARAMETERS, ("code", "print(1)"), ("markdown", TAIL)) == []


@pytest.mark.parametrize(
    ("head", "tail", "parameters", "match"),
    [
        (HEAD.replace("# A title", "A title"), TAIL, [PARAMETERS], "has to begin with a title"),
        (HEAD.replace('class="ipiu-card"', ""), TAIL, [PARAMETERS], "lacks the card"),
        (
            HEAD.replace("- **GPU** no.\n", ""),
            TAIL,
            [PARAMETERS],
            "its card has the entries You will learn, Time, Memory, Data",
        ),
        (
            HEAD,
            TAIL.replace("## References", "## Sources"),
            [PARAMETERS],
            "its last sections are Takeaways, Questions, Sources",
        ),
        (HEAD, TAIL.replace("{footbibliography}", "text"), [PARAMETERS], "lacks ```{footbibliography}"),
        (HEAD, TAIL.replace("- One.", "One."), [PARAMETERS], "Takeaways lacks a list"),
        (HEAD, TAIL.replace(ANSWER, "", 1), [PARAMETERS], "Questions has 1 folded answers"),
        (HEAD, TAIL, [], "0 cells are tagged `parameters`"),
        (HEAD, TAIL, [PARAMETERS, PARAMETERS], "2 cells are tagged `parameters`"),
        (HEAD, TAIL, [("code", "x = 1"), PARAMETERS], "has to be the first code cell"),
        (HEAD, TAIL, [("code", "seed = 0", "parameters")], "its parameter preset is None"),
        (HEAD, TAIL, [("code", "preset = 'cpu'\nseed = 'x'", "parameters")], "its parameter seed is 'x'"),
    ],
)
def test_a_fault_is_said_in_one_sentence(tmp_path, head, tail, parameters, match):
    found = faults(tmp_path, ("markdown", head), *parameters, ("code", "print(1)"), ("markdown", tail))

    assert len(found) == 1
    assert "chapter.ipynb: " in found[0]
    assert match in found[0]


def test_outputs_beyond_the_printed_ones_are_a_fault(tmp_path):
    spoiled = stored_form(notebook(("markdown", HEAD), PARAMETERS, ("markdown", TAIL)))
    spoiled["cells"][1]["execution_count"] = 1
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(spoiled))

    assert chapter_faults(path) == [f"{path}: it stores more than what it prints; run `ipiu book record chapter`"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/**/*.ipynb")), ids=lambda path: path.stem)
def test_every_chapter_of_this_book_has_the_form(path):
    assert chapter_faults(path) == []


def test_every_notebook_of_this_book_is_in_its_table_of_contents():
    assert len(Book(ROOT).chapters) == len(list(ROOT.glob("notebooks/**/*.ipynb")))
