"""Cards, weights and shared sessions, on the models that come with Kadr."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.cards import BUILT_IN, InvalidModelCard, read_card
from inference.registry import Registry
from inference.weights import DigestCheck
from kadr.contracts.errors import ModelDigestMismatch, ModelUnavailable
from kadr.contracts.model import ModelCard

REGISTRY = Registry()
ONNX = [name for name in REGISTRY.names() if REGISTRY.card(name).engine == "onnx"]
LENGTHS = {"N": 2, "batch": 2, "sequence": 576, "L": 12, "H": 64, "W": 96}
ITEMS = ("N", "batch")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's own folder of cards, with a copy of the smallest model."""
    shutil.copytree(BUILT_IN / "blazeface", tmp_path / "blazeface")
    return tmp_path


def edit(own: Path, old: str, new: str) -> None:
    path = own / "blazeface/model.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def session_shape(name: str, kind: str) -> dict[str, tuple[str, list[Any]]]:
    session = REGISTRY.models([name], 1)[name].native
    return {t.name: (t.type, list(t.shape)) for t in getattr(session, f"get_{kind}")()}


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
@pytest.mark.parametrize("name", ONNX)
def test_the_card_declares_what_the_model_has(name: str, kind: str) -> None:
    declared = {t.name: t for t in getattr(REGISTRY.card(name), kind)}
    real = session_shape(name, kind)
    types = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int64": "tensor(int64)"}
    assert declared.keys() == real.keys()
    for tensor, (dtype, shape) in real.items():
        assert types[declared[tensor].dtype] == dtype
        assert len(declared[tensor].shape) == len(shape)
        for said, is_ in zip(declared[tensor].shape, shape, strict=True):
            assert said == is_ or not isinstance(is_, int)


def batch(card: ModelCard) -> dict[str, np.ndarray]:
    """Two items that the model could meet, from a fixed seed."""
    random = np.random.default_rng(7)
    made: dict[str, np.ndarray] = {}
    for tensor in card.inputs:
        shape = [LENGTHS[d] if isinstance(d, str) else d for d in tensor.shape]
        if tensor.name == "attention_mask":
            made[tensor.name] = np.ones(shape, np.int64)
        elif tensor.name == "sr":
            made[tensor.name] = np.array(16_000)
        elif tensor.dtype == "int64":
            made[tensor.name] = random.integers(1000, 20_000, shape)
        elif tensor.dtype == "uint8":
            made[tensor.name] = random.integers(0, 256, shape, np.uint8)
        else:
            made[tensor.name] = random.standard_normal(shape, np.float32)
    return made


def items_axis(shape: tuple[int | str, ...]) -> int | None:
    return next((axis for axis, dim in enumerate(shape) if dim in ITEMS), None)


def item(card: ModelCard, arrays: dict[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    axes = {t.name: items_axis(t.shape) for t in card.inputs}
    return {n: a if axes[n] is None else a.take([index], axis=axes[n]) for n, a in arrays.items()}


@pytest.mark.parametrize("name", ONNX)
def test_a_batch_of_two_is_two_batches_of_one(name: str) -> None:
    model = REGISTRY.models([name], 1)[name]
    arrays = batch(model.card)
    both = model.run(arrays)
    alone = [model.run(item(model.card, arrays, index)) for index in (0, 1)]
    tolerance = 2e-6 if model.card.batch.padding_changes_values else 0.0
    for tensor in model.card.outputs:
        joined = np.concatenate([one[tensor.name] for one in alone], axis=items_axis(tensor.shape) or 0)
        assert joined.dtype.name == tensor.dtype
        np.testing.assert_allclose(both[tensor.name], joined, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", [n for n in REGISTRY.names() if n != "nsfw_mobilenet_v2"])
def test_every_card_has_a_signature_of_its_own(name: str) -> None:
    assert REGISTRY.signature(name) != REGISTRY.signature("nsfw_mobilenet_v2")


def test_built_in_weights_are_whole() -> None:
    checks = [c for c in REGISTRY.check() if not c.model.startswith("whisper")]
    assert {c.state for c in checks} == {"ok"}
    assert len(checks) == 15


def test_labels_come_from_the_card_or_its_file() -> None:
    models = REGISTRY.models(["nanodet", "efficientnet_lite0", "face_emotion", "transnetv2"], 1)
    assert len(models["nanodet"].labels) == 80
    assert models["nanodet"].labels[15] == "cat"
    assert len(models["efficientnet_lite0"].labels) == 1000
    assert models["efficientnet_lite0"].labels[967] == "espresso"
    assert models["face_emotion"].labels[3] == "happy"
    assert models["transnetv2"].labels == ()


def test_other_files_of_a_model_are_found_by_name() -> None:
    model = REGISTRY.models(["minilm_l6_v2"], 1)["minilm_l6_v2"]
    assert model.file("tokenizer.json").is_file()
    with pytest.raises(KeyError):
        model.file("vocabulary.txt")


def test_a_session_keeps_no_memory_of_its_largest_picture() -> None:
    """ONNX Runtime's arena never gives memory back, and its default is to have one."""
    options = REGISTRY.models(["blazeface"], 1)["blazeface"].native.get_session_options()
    assert not options.enable_cpu_mem_arena


def test_threads_share_one_session() -> None:
    registry = Registry()
    barrier = threading.Barrier(4)
    sessions = []

    def use() -> None:
        barrier.wait()
        sessions.append(registry.models(["face_emotion"], 1)["face_emotion"].native)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sessions) == 4
    assert len(set(map(id, sessions))) == 1


def test_sessions_have_the_threads_asked_for_and_do_not_spin() -> None:
    options = REGISTRY.models(["face_emotion"], 2)["face_emotion"].native.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_an_undeclared_model_is_not_handed_out() -> None:
    with pytest.raises(KeyError, match=r"nanodet.*declared"):
        REGISTRY.models(["blazeface"], 1)["nanodet"]


def test_an_unknown_model_is_named_with_those_that_exist() -> None:
    with pytest.raises(ModelUnavailable, match=r"'clip'.*nanodet"):
        REGISTRY.models(["clip"], 1)


def test_missing_weights_say_what_to_do() -> None:
    with pytest.raises(
        ModelUnavailable, match=r"(?s)model\.bin  145217607 bytes.*kadr models pull whisper_base"
    ) as raised:
        REGISTRY.models(["whisper_base"], 1)
    assert not raised.value.retryable


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"face_emotion: takes .*float32.*float64"):
        REGISTRY.models(["face_emotion"], 1)["face_emotion"].run({"input_1": np.zeros((1, 64, 64, 1))})


OUT_OF_MEMORY = """
import resource
import numpy as np
from inference.registry import Registry
from kadr.contracts.errors import ModelFailure
model = Registry().models(["ppocr_v6_small_det"], 1)["ppocr_v6_small_det"]
pictures = np.zeros((1, 3, 4096, 4096), np.float32)
model.native
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), -1))
try:
    model.run({"x": pictures})
except ModelFailure as error:
    print("retryable", error.retryable, error)
"""


def test_an_engine_out_of_memory_is_a_failure_worth_a_retry() -> None:
    done = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("retryable True ppocr_v6_small_det: "), done.stderr


def test_own_cards_come_first(own: Path) -> None:
    edit(own, 'task = "faces with six key points"', 'task = "my faces"')
    registry = Registry(own_cards=[own])
    assert registry.card("blazeface").task == "my faces"
    assert registry.card("nanodet") == REGISTRY.card("nanodet")
    assert registry.signature("blazeface") != REGISTRY.signature("blazeface")
    assert registry.files("blazeface").main.is_relative_to(own)


def test_weights_may_lie_apart_from_their_card(own: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    (weights / "blazeface").mkdir(parents=True)
    (own / "blazeface/1").rename(weights / "blazeface/1")
    registry = Registry(weights_dirs=[weights], own_cards=[own])
    assert registry.models(["blazeface"], 1)["blazeface"].file("model.onnx").is_relative_to(weights)
    assert registry.signature("blazeface") == REGISTRY.signature("blazeface")


def test_a_wrong_digest_is_refused_with_both(own: Path) -> None:
    path = own / "blazeface/1/model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    registry = Registry(own_cards=[own])
    expected = registry.card("blazeface").files[0].sha256
    with pytest.raises(ModelDigestMismatch) as raised:
        registry.models(["blazeface"], 1)
    (check,) = registry.check(["blazeface"])
    assert f"{path} is not the file" in str(raised.value)
    assert f"expected SHA-256 {expected}, found {check.found}" in str(raised.value)
    assert check.state == "wrong"


def test_a_file_that_is_no_model_is_named(own: Path) -> None:
    path = own / "blazeface/1/model.onnx"
    path.write_bytes(b"not a model")
    card = read_card(own / "blazeface/model.toml")
    edit(own, card.files[0].sha256, DigestCheck().digest(path))
    with pytest.raises(ModelUnavailable, match=r"cannot open .*model\.onnx"):
        _ = Registry(own_cards=[own]).models(["blazeface"], 1)["blazeface"].native


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "version = 'x'", "model.toml: version: "),
        ("version = 1", "version = = 1", "is not TOML"),
        ('name = "blazeface"', 'name = "other"', "must be the folder's name, 'blazeface'"),
    ],
)
def test_a_bad_card_is_named(own: Path, old: str, new: str, message: str) -> None:
    edit(own, old, new)
    with pytest.raises(InvalidModelCard, match=message):
        Registry(own_cards=[own])


def test_an_unknown_engine_is_named(own: Path) -> None:
    edit(own, 'engine = "onnx"', 'engine = "abacus"')
    with pytest.raises(InvalidModelCard, match="'abacus'"):
        Registry(own_cards=[own]).models(["blazeface"], 1)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(ModelUnavailable, match=r"'abacus'.*CPUExecutionProvider"):
        _ = Registry(device="abacus").models(["blazeface"], 1)["blazeface"].native


def test_speech_models_are_used_by_their_own_object(own: Path) -> None:
    edit(own, 'engine = "onnx"', 'engine = "ctranslate2"')
    model = Registry(own_cards=[own]).models(["blazeface"], 1)["blazeface"]
    with pytest.raises(ModelUnavailable, match="CTranslate2 cannot open"):
        _ = model.native


class TestDigestCheck:
    """Unchanged files are not hashed again: shown by a note that says something else than the truth."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "model.bin"
        path.write_bytes(b"weights")
        return path

    def test_a_fresh_file_is_hashed_every_time(self, file: Path, tmp_path: Path) -> None:
        DigestCheck(tmp_path / "notes").digest(file)
        assert not (tmp_path / "notes").exists()

    def test_a_settled_file_is_remembered_until_it_changes(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("inference.weights.SETTLED_NS", -1)
        truth = DigestCheck(tmp_path / "notes").digest(file)
        (note,) = (tmp_path / "notes").iterdir()
        note.write_text("0" * 64)
        assert DigestCheck(tmp_path / "notes").digest(file) == "0" * 64
        os.utime(file, ns=(0, 0))
        assert DigestCheck(tmp_path / "notes").digest(file) == truth
        note.write_text("damaged")
        assert DigestCheck(tmp_path / "notes").digest(file) == truth
