"""What users name a store by."""

import pytest

from rdbench.errors import UserError
from rdbench.store.location import open_storage


def test_urls_and_homes_are_what_they_say(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_storage(f"file://{tmp_path}/a%20b%23").root == f"{tmp_path}/a b#"
    assert open_storage(f"file://localhost{tmp_path}/a").root == f"{tmp_path}/a"
    assert open_storage("~/a#2?3").root == f"{tmp_path}/a#2?3"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///tmp/a#2", "found '#2' at the end.*write %23"),
        ("file:///tmp/a#", "found '#' at the end.*write %23"),
        ("file:///tmp/a?2", r"found '\?2' at the end.*write %3F"),
        ("s3://bucket/a#2", "found '#2' at the end.*write %23"),
        ("s3://bucket/a?2", "Unexpected query parameter"),
        ("file://tmp/x", "found the host 'tmp'; expected file:///folder"),
        ("file:/tmp/x", "two slashes lack"),
    ],
)
def test_a_url_of_which_a_part_would_be_lost_is_refused(url, told):
    with pytest.raises(UserError, match=told):
        open_storage(url)


def test_a_folder_that_was_deleted_is_told(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    with pytest.raises(UserError, match="cannot find the store outputs/demo: the current folder was deleted"):
        open_storage("outputs/demo")
    assert str(open_storage(tmp_path / "store")) == str(tmp_path / "store")
