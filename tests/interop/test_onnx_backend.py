"""The official backend tests of ONNX: all that are in scope pass."""

import pytest

from tests.interop.onnx_score import summary, verdicts


@pytest.mark.slow
def test_no_official_test_sinks():
    pytest.importorskip("onnx", reason="the onnx package brings the official tests")
    found = verdicts()
    assert [(name, v) for _, name, v in found if v.startswith("wrong")] == []
    counts = {category: right for category, right, _, _ in summary(found)}
    assert counts["NodeModel"] >= 1378
    assert counts["PyTorchConvertedModel"] == 82
    assert counts["PyTorchOperatorModel"] == 35
    assert counts["SimpleModel"] == counts["RealModel"] == counts["of these, training"] == 9
