"""ONNX Runtime: its LSTM and GRU operators, inference, inputs and outputs bound once."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from entry import STREAM_STEPS, Entry
from ours import stacked

VERSION = f"onnxruntime {onnxruntime.__version__}"
# Where the operator wants the gates, by their place in ours (i f g o and r z n).
ORDER = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}


def setup(threads):
    pass


def model(case, p):
    order = ORDER[case.cell]

    def gates(value):
        parts = np.split(value, len(order), axis=-1)
        return np.concatenate([parts[at] for at in order], axis=-1)

    weights = [gates(p["W"]).T[None], gates(p["U"]).T[None]]
    bias = gates(p.get("c", np.zeros_like(p["b"])))
    weights.append(np.concatenate([gates(p["b"]), bias])[None])
    initial = [
        numpy_helper.from_array(np.ascontiguousarray(value), name) for value, name in zip(weights, ["W", "R", "b"])
    ]
    real, state = TensorProto.FLOAT, [1, case.B, case.H]
    states = ["h", "c"] if case.cell == "lstm" else ["h"]
    inputs = [helper.make_tensor_value_info("x", real, [case.T, case.B, case.I])]
    inputs += [helper.make_tensor_value_info(f"{name}0", real, state) for name in states]
    results = [helper.make_tensor_value_info("y", real, [case.T, 1, case.B, case.H])]
    results += [helper.make_tensor_value_info(f"{name}n", real, state) for name in states]
    options = {"linear_before_reset": 1} if case.cell == "gru" else {}
    node = helper.make_node(
        case.cell.upper(),
        ["x", "W", "R", "b", ""] + [f"{name}0" for name in states],
        ["y"] + [f"{name}n" for name in states],
        hidden_size=case.H,
        **options,
    )
    graph = helper.make_graph([node], case.cell, inputs, results, initial)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString(), states


def entries(case, data, threads, slow):
    if case.cell not in ORDER or case.work == "train":
        return
    code, states = model(case, stacked(data, "param", case.cell))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(code, options, providers=["CPUExecutionProvider"])
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    x = value(data["x"])
    y = value(np.zeros((case.T, 1, case.B, case.H), np.float32))
    # Two sets of states: a step reads one and writes the other.
    sets = [{name: value(np.zeros((1, case.B, case.H), np.float32)) for name in states} for _ in range(2)]
    bindings = []
    for at in range(2):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", x)
        binding.bind_ortvalue_output("y", y)
        for name in states:
            binding.bind_ortvalue_input(f"{name}0", sets[at][name])
            target = sets[1 - at][name] if case.work == "stream" else value(sets[at][name].numpy().copy())
            binding.bind_ortvalue_output(f"{name}n", target)
        bindings.append(binding)

    def forward():
        session.run_with_iobinding(bindings[0])

    def stream():
        for _ in range(STREAM_STEPS // 2):
            session.run_with_iobinding(bindings[0])
            session.run_with_iobinding(bindings[1])

    def results():
        forward()
        return {"h": y.numpy()[:, 0]}

    if case.work == "stream":
        yield Entry("onnxruntime", stream, results, STREAM_STEPS)
    else:
        yield Entry("onnxruntime", forward, results)
