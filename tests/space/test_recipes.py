"""What others search with, on spaces: recipes that run where these are installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import archcalc
from archcalc import Space
from archcalc.cli.app import application
from tests.space.spaces import space


def front(rows: Any) -> set[tuple[int, int]]:
    """The pairs of most parameters and fewest MACs."""
    pairs = {(row["params"], row["macs"]) for row in rows}
    return {
        (p, m)
        for p, m in pairs
        if not any(q >= p and n <= m and (q, n) != (p, m) for q, n in pairs)
    }


def test_optuna() -> None:
    optuna = pytest.importorskip("optuna", "5", reason="Optuna 5 is not installed")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    whole = Space("nasbench201")
    exact = front(archcalc.sweep(whole, quantities="params,macs", pareto="-params,macs"))
    operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]

    def objective(trial: Any) -> tuple[int, int]:
        edges = [trial.suggest_categorical(f"edge{k}", operations) for k in range(6)]
        analysis = archcalc.analyze(whole.network, edges=edges)
        trial.set_constraint("macs", analysis.macs - 60_000_000)
        return analysis.params, analysis.macs

    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.NSGAIISampler(seed=1)
    )
    study.optimize(objective, n_trials=150)
    found = {(int(trial.values[0]), int(trial.values[1])) for trial in study.best_trials}
    assert found
    # None beats the exact front: each that was found is on it, or one there is as good.
    assert all(any(q >= p and n <= m for q, n in exact) for p, m in found)
    assert all(macs <= 60_000_000 for _, macs in found)


def test_pymoo() -> None:
    pytest.importorskip("pymoo", reason="pymoo is not installed")
    import numpy as np
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.crossover import Crossover
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.sampling import Sampling
    from pymoo.optimize import minimize

    whole = Space("nasbench201")
    exact = front(archcalc.sweep(whole, quantities="params,macs", pareto="-params,macs"))

    class Problem(ElementwiseProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=1, n_obj=2)

        def _evaluate(self, x: Any, out: Any, *_: Any, **__: Any) -> None:
            analysis = archcalc.analyze(whole.network, **x[0])
            out["F"] = [-analysis.params, analysis.macs]

    class Drawn(Sampling):  # type: ignore[misc]
        def _do(self, problem: Any, n_samples: int, **_: Any) -> Any:
            return _column(list(whole.sample(n_samples, seed=3)))

    class Crossed(Crossover):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(2, 1)

        def _do(self, problem: Any, X: Any, **_: Any) -> Any:  # noqa: N803
            pairs = zip(X[0, :, 0], X[1, :, 0], strict=True)
            return _column([whole.cross(a, b, seed=k) for k, (a, b) in enumerate(pairs)])[None]

    class Next(Mutation):  # type: ignore[misc]
        def _do(self, problem: Any, X: Any, **_: Any) -> Any:  # noqa: N803
            chance = np.random.default_rng(5)
            near = [list(whole.neighbours(x[0])) for x in X]
            return _column([some[chance.integers(len(some))] for some in near])

    def _column(points: list[Any]) -> Any:
        column = np.empty((len(points), 1), object)
        column[:, 0] = points
        return column

    algorithm = NSGA2(
        20, sampling=Drawn(), crossover=Crossed(), mutation=Next(), eliminate_duplicates=False
    )
    found = minimize(Problem(), algorithm, ("n_gen", 5), seed=1)
    pairs = {(int(-p), int(m)) for p, m in found.F}
    assert pairs
    assert all(any(q >= p and n <= m for q, n in exact) for p, m in pairs)


def test_duckdb(tmp_path: Path) -> None:
    """The query of the page, on rows of two searches side by side."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    page = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    pairs = parts(tmp_path)
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{tmp_path}'")
    found = connection.execute(query).fetchall()
    named = [column[0] for column in connection.description]
    assert {(row[named.index("params")], row[named.index("macs")]) for row in found} == pairs


def test_polars(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pairs = parts(tmp_path)
    frame = polars.read_parquet(tmp_path / "rows*.parquet")
    assert frame.height == 15_625
    assert frame["edges"].list.len().unique().to_list() == [6]
    assert front(frame.iter_rows(named=True)) == pairs


def parts(folder: Path) -> set[tuple[int, int]]:
    """All of a space in two files, as two machines write them, and the front of it."""
    first = "edges[0] in ['none', 'skip_connect']"
    for number, where in enumerate((first, f"not {first}")):
        command = ["sweep", "nasbench201", "--where", where, "--quantities", "params,macs"]
        done = CliRunner().invoke(
            application(), [*command, "-o", str(folder / f"rows{number}.parquet")]
        )
        assert done.exit_code == 0
    return front(archcalc.sweep("nasbench201", quantities="params,macs", pareto="-params,macs"))


def test_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archcalc.space.search.CHUNK", 128)
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    small = space()
    here = archcalc.sweep(small, sample=400, seed=2)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = archcalc.sweep(small, sample=400, seed=2, executor=client.get_executor())
    assert list(there) == list(here)
    assert there.refused.count == here.refused.count
