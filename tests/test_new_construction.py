"""The template: it works as it is written, and nothing is overwritten."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from analysis.cli.main import main
from analysis.errors import ConfigError
from analysis.presets.comparison import compare_learners

pytestmark = pytest.mark.usefixtures("unchecked_module")


def test_the_template_and_its_test_work_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["new-construction", "WindyPlane", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test_windy_plane.py", "windy_plane.py"]
    path = tmp_path / "windy_plane.py"
    *_, check, measure = capsys.readouterr().out.splitlines()
    assert check.split() == ["pytest", str(tmp_path / "test_windy_plane.py")]
    assert f"reengage scale --construction {path}:WindyPlane --dims 2,3 --trials 10 --out windy_plane" in measure
    experiment = compare_learners((2, 3), ("ddpg", "reengage"), construction=f"{path}:WindyPlane")
    assert [point.predicted for point in experiment.points] == [2, 4, 1, 2]
    monkeypatch.syspath_prepend(str(tmp_path))
    tests = runpy.run_path(str(tmp_path / "test_windy_plane.py"))
    ran = [tests[name]() for name in tests if name.startswith("test_")]
    assert len(ran) == 2
    # A sign error is found before anything is measured.
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("+ gamma * norm(goal)", "- gamma * norm(goal)"), encoding="utf-8")
    with pytest.raises(ConfigError, match="suspect: q_value"):
        compare_learners((2, 3), ("ddpg", "reengage"), construction=f"{path}:WindyPlane")


@pytest.mark.parametrize("name", ["windyPlane", "Windy-Plane", "", "None", "True", "Wind y", "Ö", "../Evil", "Class"])
def test_names_that_are_no_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["new-construction", name, "--out", str(tmp_path / "new")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reengage new-construction: error: argument NAME: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("there", ["drift.py", "test_drift.py"])
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str) -> None:
    (tmp_path / there).write_text("mine", encoding="utf-8")
    assert main(["new-construction", "Drift", "--out", str(tmp_path)]) == 2
    assert f"{there} is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text(encoding="utf-8") == "mine"


def test_a_place_that_cannot_be_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["new-construction", "Drift", "--out", str(tmp_path / "file" / "sub")]) == 3
    assert "cannot be written to" in capsys.readouterr().err
