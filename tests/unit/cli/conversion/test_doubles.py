"""A graph that computes with 64 bits, where 32 would change an answer."""

import numpy as np
import onnxruntime
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from serval_cli.conversion.original import OriginalColumn
from serval_cli.conversion.sklearn_graph import convert_sklearn

COLUMNS = [OriginalColumn(name, imputed=True) for name in ("a", "b")]


@pytest.mark.parametrize("final", [LinearRegression(), DecisionTreeRegressor(random_state=7)])
def test_an_imputer_and_trees_run_in_doubles(final: LinearRegression) -> None:
    random = np.random.default_rng(7)
    rows = random.normal(size=(50, 2))
    rows[::7, 0] = np.nan
    model = make_pipeline(SimpleImputer(), StandardScaler(), final)
    model.fit(rows, random.normal(size=50))
    graph = convert_sklearn(model, COLUMNS, "FP64", yes=False)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    (given,) = session.get_inputs()
    assert given.type == "tensor(double)"
    (answer,) = session.run(None, {given.name: rows})
    np.testing.assert_allclose(answer.ravel(), model.predict(rows), rtol=1e-6)
