"""``golden`` runs on the layers of ``infer``, in no more memory than that takes."""

from tests.functional.test_infer_starts_lean import HEAVY, ROOT, imported

FUNCTION = ROOT / "functions" / "golden"


def test_golden_starts_without_heavy_imports() -> None:
    assert not HEAVY & imported("import handler", FUNCTION)


def test_golden_starts_from_the_inference_layers_alone() -> None:
    layers = [ROOT / "build/layers/local" / name / "python" for name in ("core", "inference")]
    assert all(layer.exists() for layer in layers), "run `make layers`"
    code = "sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\nimport handler, numpy"
    assert not HEAVY & imported(code, FUNCTION, *layers)
