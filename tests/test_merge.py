"""Shards and their merging; repair: always the bytes of one run that nothing disturbed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.cli.main import main
from analysis.cli.scale import shard_of
from analysis.experiments.experiment import Experiment
from analysis.presets.comparison import compare_learners
from analysis.storage.merge import Merged, merge_runs
from analysis.storage.store import Store, identities, read_store
from analysis.tasks import Batch, Row

RUN = ["scale", "--dims", "2,3", "--trials", "12", "--executor", "serial", "--quiet", "--out"]
RESULTS = ("thresholds.csv", "scaling.csv", "summary.json", "table.tex", "figures/complexity.svg")

pytestmark = pytest.mark.usefixtures("unchecked_module")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one piece."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main([*RUN, str(out)]) == 0
    return out


def assert_same_results(run: Path, whole: Path) -> None:
    for name in RESULTS:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_merged_shards_are_one_run(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = [tmp_path / f"shard{number}" for number in (1, 2, 3)]
    for number, shard in enumerate(shards, start=1):
        assert main([*RUN, str(shard), "--shard", f"{number}/3"]) == 0
        assert "searches are done" in capsys.readouterr().out
        assert not (shard / "thresholds.csv").exists()
    out = tmp_path / "all"
    assert main(["merge", *map(str, shards), "--out", str(out)]) == 0
    assert f"trials are in {out}; " in capsys.readouterr().out
    sessions = json.loads((out / "provenance.json").read_text())["sessions"]
    assert [session["command"] is not None for session in sessions] == [True] * 3
    before = (out / "sweep.sqlite").read_bytes()
    assert main([*RUN, str(out)]) == 0
    assert (out / "sweep.sqlite").read_bytes() == before  # nothing was left to do
    assert_same_results(out, whole)


def test_what_a_missing_shard_should_have_done_is_done(whole: Path, tmp_path: Path) -> None:
    for number in (1, 3):
        assert main([*RUN, str(tmp_path / str(number)), "--shard", f"{number}/3"]) == 0
    assert main(["merge", str(tmp_path / "1"), str(tmp_path / "3"), "--out", str(tmp_path / "all")]) == 0
    assert main([*RUN, str(tmp_path / "all")]) == 0
    assert_same_results(tmp_path / "all", whole)


def test_every_search_is_in_one_shard() -> None:
    experiment = compare_learners((2, 3, 5, 8), ("ddpg", "reengage"))
    for shards in (1, 2, 3, 8, 11):
        dealt = [question for n in range(1, shards + 1) for question in shard_of(experiment, (n, shards))]
        assert len(dealt) == len(set(dealt)) == 8
        assert set(dealt) == set(experiment.questions)
    largest = [shard_of(experiment, (n, 2))[0].task.dim for n in (1, 2)]
    assert largest == [8, 8]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/3/5", ""])
def test_a_shard_that_is_none_costs_one_line(shard: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*RUN, str(tmp_path / "run"), f"--shard={shard}"])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"argument --shard: {shard!r} is not allowed; expected I/N" in line
    assert not (tmp_path / "run").exists()


# --- merging stores -------------------------------------------------------------------------------------------

EXPERIMENT = compare_learners((3,), ("ddpg", "reengage"))
ROWS = [
    Row(0, {"outcome": "converged", "accepted": True, "loss": 0.1, "uniform_regret": 0.2}),
    Row(1, {"outcome": "diverged", "accepted": False, "loss": None, "uniform_regret": None}),
]


def make_run(path: Path, *numbers: int, rows: list[Row] = ROWS, experiment: Experiment = EXPERIMENT) -> Path:
    path.mkdir()
    with Store(path / "sweep.sqlite", identities(experiment.tasks)) as store:
        for n in numbers:
            store.save(Batch(experiment.tasks[0], n, first_trial=0, count=2), rows)
    return path


def test_runs_may_overlap_where_they_agree_and_merging_again_changes_nothing(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a", 1, 2, 3), make_run(tmp_path / "b", 3, 4)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.sqlite")}
    out = tmp_path / "out"
    assert merge_runs([a, b], out) == Merged(trials=8, repeated=2)
    merged = (out / "sweep.sqlite").read_bytes()
    assert merge_runs([a, b], out) == Merged(trials=8, repeated=8)
    assert (out / "sweep.sqlite").read_bytes() == merged
    assert {path: path.read_bytes() for path in before} == before
    with Store(out / "sweep.sqlite", identities(EXPERIMENT.tasks)) as store:
        for n in (1, 2, 3, 4):
            assert store.load(Batch(EXPERIMENT.tasks[0], n, 0, 2)) == ROWS


def refused(capsys: pytest.CaptureFixture[str], out: Path, *runs: Path) -> str:
    existed = out.exists()
    assert main(["merge", *map(str, runs), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert out.exists() == existed
    return captured.err


def test_runs_that_do_not_belong_together_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, out = make_run(tmp_path / "a", 1, 2), tmp_path / "out"
    other = make_run(tmp_path / "other", experiment=compare_learners((3,), ("ddpg", "reengage"), seed=1))
    assert f"{other}: holds a run with seed = 1, not 0" in refused(capsys, out, a, other)
    almost = [Row(0, {**ROWS[0].values, "loss": 0.1 + 2**-56}), ROWS[1]]
    b = make_run(tmp_path / "b", 2, 3, rows=almost)
    line = refused(capsys, out, a, b)
    assert f"{b} and {a} differ: trial 0 of ddpg, d = 3, N = 2 has loss = {0.1 + 2**-56!r} in one and 0.1 in" in line
    assert "there is no store" in refused(capsys, out, a, tmp_path / "nowhere")
    assert "expected two run directories or more" in refused(capsys, out, a)
    (tmp_path / "notes.txt").write_text("mine")
    assert "it is a file" in refused(capsys, tmp_path / "notes.txt", a, make_run(tmp_path / "c"))
    with Store(a / "sweep.sqlite", identities(EXPERIMENT.tasks)):
        assert f"{a / 'sweep.sqlite'}: is in use by another run" in refused(capsys, out, a, tmp_path / "c")
    data = bytearray((a / "sweep.sqlite").read_bytes())
    data[4 * 4096 - 100 : 4 * 4096] = bytes(100)
    (a / "sweep.sqlite").write_bytes(data)
    assert f"{a / 'sweep.sqlite'}: is damaged" in refused(capsys, out, a, tmp_path / "c")
    (tmp_path / "c" / "sweep.sqlite").write_bytes(b"")
    assert "something else" in refused(capsys, out, tmp_path / "c", b)


# --- repair ---------------------------------------------------------------------------------------------------


def test_a_damaged_store_is_refused_and_repaired_on_demand(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main([*RUN, str(out), "--repair"]) == 0  # nothing is there
    assert main([*RUN, str(out), "--repair"]) == 0
    assert "nothing to repair" in capsys.readouterr().out
    path = out / "sweep.sqlite"
    pages = path.stat().st_size // 4096
    assert pages > 12
    for number, keep in enumerate(((pages - 1) * 4096 - 17, 11), start=1):
        damaged = path.read_bytes()[:keep]
        path.write_bytes(damaged)
        (out / "thresholds.csv").unlink()
        assert main([*RUN, str(out)]) == 2
        line = capsys.readouterr().err
        assert line.startswith(f"reengage scale: error: argument --out: {path}: is damaged (")
        assert line.count("\n") == 1
        assert path.read_bytes() == damaged
        assert main([*RUN, str(out), "--repair"]) == 0
        aside = out / f"sweep.sqlite.damaged-{number}"
        printed = capsys.readouterr().out
        assert f" trials were saved; the damaged store is kept as {aside}" in printed
        assert ("repaired: 0 trials" in printed) == (keep < 4096)
        assert aside.read_bytes() == damaged
        assert_same_results(out, whole)
        (tasks, rows), (known, expected) = read_store(path), read_store(whole / "sweep.sqlite")
        assert tasks == known
        assert sorted(rows) == sorted(expected)


def test_repair_takes_nothing_from_another_run_and_disturbs_none(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(whole, tmp_path / "run")
    path = out / "sweep.sqlite"
    data = path.read_bytes()
    capsys.readouterr()
    assert main([*RUN, str(out), "--seed", "1", "--repair"]) == 2
    assert "seed = 0, not 1" in capsys.readouterr().err
    path.write_bytes(b"\0" * 4096 + data[4096:])
    assert main([*RUN, str(out), "--seed", "1", "--repair"]) == 2
    assert "holds trials of other settings" in capsys.readouterr().err
    assert path.read_bytes()[4096:] == data[4096:]
    path.write_bytes(data)
    experiment = compare_learners((2, 3), ("ddpg", "reengage"), trials=12)
    with Store(path, identities(experiment.tasks)):
        assert main([*RUN, str(out), "--repair"]) == 2
    assert "is in use by another run" in capsys.readouterr().err
    assert {file.name for file in out.glob("sweep*")} == {"sweep.sqlite"}


def test_a_repair_that_fails_at_the_last_moment_leaves_the_damaged_store_in_its_place(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(whole, tmp_path / "run")
    path = out / "sweep.sqlite"
    damaged = path.read_bytes()[: 10 * 4096]
    path.write_bytes(damaged)
    (out / "sweep.sqlite-journal").write_bytes(b"of the damaged store")
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if self.name == "sweep.sqlite.repair":
            raise OSError(5, "Input/output error")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        assert main([*RUN, str(out), "--repair"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be repaired ([Errno 5] Input/output error)" in line
    assert path.read_bytes() == damaged
    assert main([*RUN, str(out), "--repair"]) == 0
    assert (out / "sweep.sqlite.damaged-2").read_bytes() == damaged
    # A journal that stayed would be applied to the new store.
    assert not (out / "sweep.sqlite-journal").exists()


def test_a_second_repair_is_refused_while_the_first_is_at_it_and_goes_on_after_its_death(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(whole, tmp_path / "run")
    path = out / "sweep.sqlite"
    path.write_bytes(path.read_bytes()[: 10 * 4096])
    experiment = compare_learners((2, 3), ("ddpg", "reengage"), trials=12)
    with Store(out / "sweep.sqlite.repair", identities(experiment.tasks)):
        assert main([*RUN, str(out), "--repair"]) == 2
        assert "sweep.sqlite.repair: is in use by another run" in capsys.readouterr().err
    assert main([*RUN, str(out), "--repair"]) == 0
    assert not (out / "sweep.sqlite.repair").exists()
    assert_same_results(out, whole)
