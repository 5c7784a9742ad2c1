import pytest

from ipiu.book.offline import missing_resources, remote_resources


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<script src="//cdn.example/a.js"></script>',
        '<script data-jupyter-widgets-cdn="https://cdn.example/" src="a.js"></script>',
        '<link rel="stylesheet" href="http://cdn.example/a.css">',
        '<link rel="preload" as="font" href="https://cdn.example/a.woff2">',
        '<img src="HTTPS://cdn.example/a.png">',
        '<img srcset="https://cdn.example/a.png 2x">',
        '<iframe src="https://cdn.example/"></iframe>',
        '<div style="background: url(https://cdn.example/a.png)"></div>',
        "<style>@import 'https://cdn.example/a.css';</style>",
        "<style>@font-face { src: url('//cdn.example/a.woff') }</style>",
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path, html):
    (tmp_path / "a.js").touch()
    (tmp_path / "p.html").write_text(f"<html><body>{html}</body></html>")

    ((page, url),) = remote_resources(tmp_path)

    assert page == "p.html"
    assert "cdn.example" in url


def test_links_to_click_and_notes_for_machines_are_fine(tmp_path):
    (tmp_path / "p.html").write_text(
        '<a href="https://example.org">x</a><link rel="canonical" href="https://example.org/">'
        "<p>https://example.org</p><script>// https://example.org</script>"
        '<img src="data:image/png;base64,AAAA"><form action="https://example.org"></form>'
    )
    (tmp_path / "s.css").write_text("/* url(https://example.org/a.png) */ p { color: red }")

    assert remote_resources(tmp_path) == []
    assert missing_resources(tmp_path) == []


def test_style_sheets_are_read_too(tmp_path):
    (tmp_path / "s.css").write_text("@import url('https://cdn.example/a.css');")

    assert remote_resources(tmp_path) == [("s.css", "https://cdn.example/a.css")]


def test_what_is_not_beside_a_page_is_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "p.html").write_text(
        '<script src="../_static/here.js?v=1#x"></script><script src="../_static/gone.js"></script>'
        '<img src="my%20picture.png"><img src="later.png">'
    )
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "here.js").touch()
    (tmp_path / "_static" / "s.css").write_text("p { background: url(gone.png) }")
    (tmp_path / "a" / "my picture.png").touch()

    assert missing_resources(tmp_path, {"a/later.png"}) == [
        ("_static/s.css", "gone.png"),
        ("a/p.html", "../_static/gone.js"),
    ]
