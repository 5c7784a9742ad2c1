"""The atlas on the command line."""

import pytest

from ipiu import cli
from ipiu.atlas import cite
from ipiu.book.layout import Book


def test_check_counts_and_is_clean(capsys):
    assert cli.main(["atlas", "check"]) == 0
    assert "0 invalid, 0 unlinked" in capsys.readouterr().out


def test_check_fails_where_a_record_is_wrong(capsys, monkeypatch, records, damage):
    from ipiu.atlas import check

    damage("vision", "doi: 10.1038/s41467-024-44824-z", "doi: nonsense")
    real = check.check
    monkeypatch.setattr(check, "check", lambda: real(records))
    assert cli.main(["atlas", "check"]) == 1
    assert "invalid: vision.yaml:" in capsys.readouterr().out


def test_check_says_when_the_references_are_behind(capsys, monkeypatch, tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/references.bib").write_text("% old")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["atlas", "check"]) == 0
    assert "references.bib is behind the records; run `ipiu atlas bib`" in capsys.readouterr().out


def test_find_takes_words_with_and_without_quotes(capsys):
    cli.main(["atlas", "find", "3D promptable CT", "--most", "3"])
    quoted = capsys.readouterr().out
    cli.main(["atlas", "find", "3D", "promptable", "CT", "--most", "3"])
    assert capsys.readouterr().out == quoted
    assert len(quoted.splitlines()) == 3


def test_show_says_all_that_is_known(capsys):
    assert cli.main(["atlas", "show", "medsam"]) == 0
    said = capsys.readouterr().out
    assert "Tasks: segmentation [our reading]" in said
    assert "] https://github.com/bowang-lab/MedSAM" in said


def test_show_of_an_unknown_id_names_the_nearest(capsys):
    assert cli.main(["atlas", "show", "medsan"]) == 1
    assert "did you mean medsam" in capsys.readouterr().err


def test_bib_writes_the_file_only_where_it_changed(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "_book", lambda: Book(tmp_path))
    assert cli.main(["atlas", "bib"]) == 0
    assert "written" in capsys.readouterr().out
    assert (tmp_path / "book/references.bib").read_text(encoding="utf-8") == cite.everything()
    assert cli.main(["atlas", "bib"]) == 0
    assert "unchanged" in capsys.readouterr().out


def test_a_command_without_an_action_lists_them(capsys):
    with pytest.raises(SystemExit):
        cli.main(["atlas"])
    assert "ACTION" in capsys.readouterr().err
