"""`endianproof verify`: a user's own file, held against the specification tensor by tensor; each end in words."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import torch
from click.testing import CliRunner
from own_files import patterned, safetensors, shards

from endianproof.conformance.cli import main
from endianproof.conformance.verifying import Progress
from endianproof.conformance.verifying._pieces import digest_of, read_part
from endianproof.conformance.verifying._progress import Meter
from endianproof.reference import load
from endianproof.vectors import load_vectors

LOADERS = Path(__file__).parent / "loaders"
SCHEMAS = Path(__file__).parents[2] / "conformance" / "schemas"
VECTORS = {vector.id: vector for vector in load_vectors()}
LONG = (600, 1000)  # more elements than are looked at as a whole


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Loaders are imported from where the user stands."""
    monkeypatch.chdir(LOADERS)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, {"long": ("bfloat16", LONG, None), "short": ("bfloat16", (8,), None)})
    return path


def verify(*arguments):
    result = CliRunner().invoke(main, ["verify", "-q", *map(str, arguments)])
    return result.exit_code, result.output


def by(name, *arguments):
    return verify(*arguments, f"--loader=verify_loaders.{name}")


@pytest.mark.parametrize("loader", ["right", "lazy"])
def test_a_right_loader_is_the_same(model, loader):
    code, text = by(loader, model)
    assert (code, "model.safetensors (safetensors): same: 2 tensors, 1.2 MB" in text) == (0, True), text


def test_what_loads_and_where_is_said_first(model):
    _, text = by("right", model)
    assert text.splitlines()[0].startswith("endianproof: verify_loaders.right, CPython")
    assert text.splitlines()[0].endswith(f"{sys.byteorder}-endian")


DIFFERENCES = {
    "swapped": ["elements were swapped although", "'long', bfloat16", "element [0, 0]", "'short', bfloat16"],
    "last_element_wrong": ["element [599, 999]", "elements that were looked at"],
    "second_half_zero": ["values came back as zero", "element [300, 0]", "values end after 4 of 8"],
    "one_missing": ["missing: 1 tensor in the file, and not returned: 'long'"],
    "one_too_many": ["extra: 1 tensor returned, and not in the file: 'extra'"],
    "widened": ["bfloat16 was widened to float32"],
    "as_integers": ["uint16 in place of bfloat16, with the same bits"],
    "flattened": ["shape [600000] instead of [600, 1000]"],
    "changing": ["what is returned changes from one look to the next"],
    "refusing": ["the loader refused the file, which is valid: ValueError: cannot read this"],
    "crashing": ["the loader crashed: exited with code 9"],
}


@pytest.mark.parametrize("loader", DIFFERENCES)
def test_a_difference_is_explained(model, loader):
    code, text = by(loader, model)
    assert code == 1, text
    for part in ("model.safetensors (safetensors): different", *DIFFERENCES[loader]):
        assert part in text


def test_the_first_wrong_element_is_found_in_the_file(model):
    _, text = by("last_element_wrong", model)
    data = model.read_bytes()
    end = int.from_bytes(data[:8], "little") + 8 + 2 * LONG[0] * LONG[1]
    held = data[end - 2 : end]
    right, wrong = int.from_bytes(held, "little"), int.from_bytes(held, "little") ^ (1 << 8)
    assert f"byte {end - 2} (0x{end - 2:X}) of {len(data)}: {held.hex(' ').upper()}, little-endian" in text
    assert f"(0x{right:04X})" in text
    assert f"(0x{wrong:04X})" in text


def test_a_tensor_under_anothers_name_is_recognised_by_its_digest(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, dict.fromkeys(("a", "b"), ("float32", (3, 5), None)))
    code, text = by("rotated_names", path)
    assert (code, "the values are those of the tensor 'b': tensor 'a'" in text) == (1, True), text


def test_of_many_wrong_tensors_some_are_explained_and_all_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, {f"w{number:02}": ("float32", (2,), None) for number in range(20)})
    _, text = by("swapped", path)
    assert text.count("elements were swapped") == 3
    assert text.count("what to do") == 1
    assert "17 more tensors differ too: 'w03', 'w04'" in text
    assert "'w10' and 9 more" in text


@pytest.mark.parametrize(
    ("loader", "option", "said"),
    [
        ("hanging", "--testee-timeout=2", "the loader timed out"),
        ("eating", "--testee-memory=200MB", "the loader ran out of memory"),
    ],
)
def test_a_limit_that_is_passed_is_said_with_the_option_that_raises_it(model, loader, option, said):
    code, text = by(loader, model, option)
    assert (code, said in text, option.split("=")[0] in text) == (1, True, True), text


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        ("unsupported", "the loader does not support it: no bfloat16 here"),
        ("not_tensors", "the loader gave a result that is no mapping of names to tensors"),
        ("touching", "was changed while it was read"),
        ("cutting", "was changed while it was read"),
        ("removing", "model.safetensors was taken away while it was read, by the loader or by another program"),
    ],
)
def test_what_cannot_be_judged_has_its_own_exit_code(model, loader, said):
    code, text = by(loader, model)
    assert (code, said in text) == (2, True), text


@pytest.mark.parametrize(
    ("vector", "loader", "said"),
    [
        ("st-hole-start", "verify_loaders.right", "The loader refused it too: SpecViolation"),
        ("st-hole-start", "kept_loaders.whatever", "The loader loaded it all the same: 0 tensors."),
        (
            "st-duplicate-same",
            "kept_loaders.whatever",
            "The specification leaves this open (policy duplicate-names",
        ),
    ],
)
def test_a_file_that_breaks_a_rule_is_explained(vector, loader, said):
    vector = VECTORS[vector]
    code, text = verify(vector.path, f"--loader={loader}")
    assert (code, f"{vector.rules[0]} at byte" in text, said in text) == (2, True, True), text


@pytest.mark.parametrize("loader", ["removing", "emptying"])
def test_what_a_loader_does_to_a_file_that_breaks_a_rule_is_said_too(tmp_path, loader):
    path = tmp_path / "model.safetensors"
    path.write_bytes(VECTORS["st-hole-start"].path.read_bytes())
    code, text = by(loader, path)
    what = "taken away" if loader == "removing" else "changed"
    assert (code, "ST-OFF-01 at byte" in text) == (2, True), text
    assert f"  model.safetensors was {what} while it was read, by the loader or by another program.\n" in text


def test_a_wrong_checksum_is_found_while_both_are_at_work(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.arange(1000)}, path)
    data = bytearray(path.read_bytes())
    data[load_place(path)] ^= 1
    path.write_bytes(data)
    code, text = verify(path, "--loader=kept_loaders.whatever")
    assert (code, "PT-ZIP-05 at byte" in text, "loaded it all the same" in text) == (2, True, True), text


def load_place(path):
    """A byte of the first tensor's storage."""
    tensor = next(iter(load(path).values()))
    return path.read_bytes().index(bytes(tensor.storage.data[8:64]))


def test_a_file_of_no_known_format_is_not_judged(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(60))
    code, text = by("right", path)
    assert (code, "no format recognizes it (it begins 47 47 55 46" in text) == (2, True), text
    code, text = by("right", path, "--format=safetensors")
    assert (code, "ST-HDR" in text or "ST-JSON" in text) == (2, True), text


def test_the_format_is_by_the_contents_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "0d8e4bc1"
    torch.save({"w": torch.ones(2)}, path)
    code, text = verify(path, "--loader=torch.load")
    assert (code, "0d8e4bc1 (torch-zip): same" in text) == (0, True), text


def test_views_of_shared_storages_are_the_same(tmp_path):
    whole = torch.arange(3000 * 1000, dtype=torch.float32).reshape(3000, 1000)
    state = {
        "whole": whole,
        "transposed": whole.T,
        "rows": whole[::3],
        "column": whole[:, 7],
        "expanded": whole[5:6].expand(400, 1000),
        "empty": whole[:0],
        "scalar": whole[1, 2],
        "conjugate": whole.reshape(-1, 2).clone().view(torch.complex64)[:, 0].conj(),
        "nested": {"deep": [torch.tensor([1, 2], dtype=torch.bfloat16)]},
    }
    path = tmp_path / "views.pt"
    torch.save(state, path)
    code, text = verify(path, "--loader=torch.load")
    assert (code, "same: 9 tensors" in text) == (0, True), text


def test_a_difference_in_a_view_is_found_where_the_view_lies(tmp_path):
    whole = torch.arange(600 * 1000, dtype=torch.float32).reshape(600, 1000)
    path = tmp_path / "view.pt"
    torch.save({"w": whole.T}, path)
    code, text = by("last_element_wrong", path)
    at = load(path)["w"].storage
    assert code == 1
    assert "element [999, 599]" in text
    place = path.read_bytes().rindex(bytes(at.data[-4:]))
    assert f"byte {place} (0x{place:X})" in text


@pytest.mark.parametrize("dtype", ["float4_e2m1fn", "float8_e4m3fn"])
@pytest.mark.parametrize("count", [0, 16, 600_000])
def test_narrow_types_and_empty_tensors_are_compared(tmp_path, dtype, count):
    path = tmp_path / "narrow.safetensors"
    safetensors(path, {"w": (dtype, (count,), None)})
    code, text = verify(path, "--loader=reference")
    assert code == 0, text
    code, text = verify(path, "--loader=kept_loaders.first_byte_wrong")
    assert code == (1 if count else 0), text
    if count:
        assert "element [0]" in text
        assert "element [1]" not in text


def test_an_index_stands_for_its_shards(tmp_path):
    index = shards(
        tmp_path, [{"a": ("float32", (2,), None)}, {"b": ("float32", (3,), None), "c": ("uint8", (1,), None)}]
    )
    for named in (index, tmp_path):
        code, text = by("right", named)
        assert code == 0, text
        assert "model-00001-of-00002.safetensors (safetensors): same: 1 tensor" in text
        assert "model-00002-of-00002.safetensors (safetensors): same: 2 tensors" in text
        assert "2 same" in text


def test_an_index_that_does_not_fit_is_said(tmp_path):
    index = shards(tmp_path, [{"a": ("float32", (2,), None)}])
    document = json.loads(index.read_text())
    document["weight_map"]["gone"] = document["weight_map"]["a"]
    index.write_text(json.dumps(document))
    code, text = by("right", index)
    assert (code, "the index does not fit the file: only in the index: 'gone'" in text) == (2, True), text


def test_a_shard_that_is_named_beside_its_index_is_still_held_against_it(tmp_path):
    index = shards(tmp_path, [{"a": ("float32", (2,), None)}])
    index.write_text(index.read_text().replace('"a"', '"gone"'))
    (shard,) = tmp_path.glob("*.safetensors")
    for names in ((index, shard), (shard, index)):
        code, text = by("right", *names)
        assert (code, text.count("the index does not fit the file: only in the index: 'gone'")) == (2, 1), text


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("{", "cannot be read as an index"),
        ("{}", "is no index"),
        ('{"weight_map":{"a":"no.bin"}}', "names no.bin"),
    ],
)
def test_a_bad_index_is_a_usage_error(tmp_path, contents, said):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(contents)
    code, text = by("right", index)
    assert (code, said in text) == (2, True), text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file", "--loader=reference"], "there is no file no-such-file"),
        (["/dev/null", "--loader=reference"], "neither a regular file nor a folder"),
        (["verify_loaders.py"], "give --loader=mypkg.load or --testee=COMMAND"),
        (["verify_loaders.py", "--guest=s390x"], "--guest goes with --loader or --testee"),
        (["verify_loaders.py", "--loader=a.b", "--testee=x"], "exclude each other"),
        (["verify_loaders.py", "--loader=a.b", "--loader=a.c"], "--loader is given twice, as a.b and as a.c"),
        (["verify_loaders.py", "--loader=a.b", "--build-in-guest"], "goes with --guest and --with"),
        (["verify_loaders.py", "--testee=x", "--loader-takes=file"], "--loader-takes goes with --loader"),
        (["verify_loaders.py", "--testee-timeout=3"], "--testee-timeout goes with --loader or --testee"),
        (["verify_loaders.py", "--loader=a.b", "--guest=vax"], "vax"),
        (["verify_loaders.py", "--loader=a.b", "--testee-timeout=soon"], "something like 90, 15m or 2h expected"),
        (["verify_loaders.py", "--loader=a.b", "--testee-memory=0"], "something like 500MB or 8GiB expected"),
        (["verify_loaders.py", "--loader=a.b", "--report=verify_loaders.py"], "exists: remove it"),
        (["verify_loaders.py", "--loader=a.b", "--against=verify_loaders.py"], "no JSON"),
        (["verify_loaders.py", "--loader=no_such.module"], "No module named 'no_such'"),
    ],
)
def test_what_cannot_be_followed_is_a_usage_error(arguments, said):
    code, text = verify(*arguments)
    assert (code, said in text) == (2, True), text
    assert "Traceback" not in text


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for megabytes in (1, 256):
        path, report = tmp_path / f"{megabytes}.safetensors", tmp_path / f"{megabytes}.json"
        with path.open("wb") as file:  # sparse
            size = megabytes << 20
            header = json.dumps({"w": {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + size)
        argv = [
            sys.executable,
            "-m",
            "endianproof.conformance.cli",
            "verify",
            "-q",
            str(path),
            f"--report={report}",
        ]
        # Started by a small process: the memory of the one that starts another counts as that one's.
        start = ["sh", "-c", '"$@"; exit $?', "sh", *argv, "--loader=reference"]
        assert subprocess.run(start, stdout=subprocess.DEVNULL, check=False).returncode == 0
        peaks.append(json.loads(report.read_text())["peak_bytes"]["suite"])
    assert peaks[1] - peaks[0] < 64 << 20


def test_the_report_is_a_new_file_of_its_schema(model, tmp_path):
    report = tmp_path / "report.json"
    assert by("swapped", model, f"--report={report}")[0] == 1
    record = json.loads(report.read_text())
    jsonschema.validate(record, json.loads((SCHEMAS / "verify-1.schema.json").read_text()))
    assert [one["state"] for one in record["files"]] == ["different"]
    assert record["files"][0]["findings"][0]["diagnosis"] == "swapped-needlessly"


def test_a_report_that_could_not_be_written_is_told_after_the_verdict(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("endianproof.conformance.cli.new_file.write_new", full)
    code, text = by("right", model, f"--report={tmp_path / 'report.json'}")
    assert code == 2
    assert "same: 2 tensors" in text
    assert text.endswith("report.json cannot be written: No space left on device\n")


ADAPTER = """
import json, sys
sys.path.insert(0, {folder!r})
import hashlib, base64, verify_loaders
for line in sys.stdin:
    said = json.loads(line)
    if said["op"] == "bye":
        break
    if said["op"] == "hello":
        reply = {{"protocol": 1, "name": "adapter", "version": "", "byteorder": "little", "machine": "?"}}
        reply["runtime"] = "?"
    else:
        assert said.keys() == {{"op", "id", "path", "format", "reply"}}
        tensors = [
            {{"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "data": array.tobytes()}}
            for name, array in verify_loaders.{loader}(said["path"]).items()
        ]
        for one in tensors:
            data = one.pop("data")
            if said["reply"] == "sha256":
                one["sha256"] = hashlib.sha256(data).hexdigest()
            else:
                one["data"] = base64.b64encode(data).decode()
        reply = {{"id": said["id"], "outcome": "loaded", "tensors": tensors}}
    print(json.dumps(reply), flush=True)
"""


@pytest.mark.parametrize(("loader", "code"), [("right", 0), ("last_element_wrong", 1)])
def test_a_program_that_sends_only_whole_tensors_is_judged_too(model, tmp_path, loader, code):
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ADAPTER.format(folder=str(LOADERS), loader=loader))
    found, text = verify(model, f"--testee={sys.executable} {adapter}")
    assert found == code, text
    assert code == 0 or "element [599, 999]" in text


def test_progress_is_told_in_lines_where_there_is_no_terminal(model, monkeypatch):
    monkeypatch.setattr("endianproof.conformance.verifying._progress.INTERVAL", 0.0)
    result = CliRunner().invoke(main, ["verify", str(model), "--loader=verify_loaders.right"])
    assert "model.safetensors: " in result.stderr
    assert "of 2 tensors" in result.stderr
    quiet = CliRunner().invoke(main, ["verify", "-q", str(model), "--loader=verify_loaders.right"])
    assert "of 2 tensors" not in quiet.stderr


def test_a_meter_counts_both_sides_and_guesses_the_end():
    meter = Meter("x", 1000, 4, 2, lambda _meter, _more: None)
    meter.started = time.monotonic() - 10
    meter.tell("reference")(2, 500)
    assert meter.done == (0, 500)
    meter.tell("loader")(1, 500)
    assert meter.done == (1, 1000)
    assert str(meter).startswith("1 of 4 tensors, 500 bytes of 1.0 kB, 50 bytes/s, ")
    assert str(meter).endswith("s left")


def test_a_quiet_progress_says_nothing(capsys):
    Progress(quiet=True).say("hello")
    Progress().say("hello")
    assert capsys.readouterr().err == "hello\n"


def test_a_terminated_run_ends_its_testee(model, tmp_path):
    marker = tmp_path / "pid"
    argv = [
        sys.executable,
        "-m",
        "endianproof.conformance.cli",
        "verify",
        str(model),
        "--loader=kept_loaders.wait",
    ]
    process = subprocess.Popen(argv, env={**os.environ, "KEPT_PID": str(marker)}, stdout=subprocess.DEVNULL)
    while not marker.exists() or not marker.read_text():
        time.sleep(0.05)
    testee = int(marker.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(testee, 0)


def test_nohup_keeps_its_word():
    code = (
        "import os, signal\n"
        "from endianproof.conformance.cli.chosen import clean_end\n"
        "with clean_end():\n    os.kill(os.getpid(), signal.SIGHUP)\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
    )
    ignoring = ["bash", "-c", 'trap "" HUP; exec "$0" -c "$1"', sys.executable, code]
    assert subprocess.run(ignoring, check=False).returncode == 0


@pytest.mark.parametrize(
    "vector", ["st-dtype-float4-e2m1fn", "st-dtype-complex64", "pt-transposed-bfloat16-big", "st-all-bfloat16"]
)
def test_a_part_is_the_part_of_the_whole(vector, monkeypatch):
    monkeypatch.setattr("endianproof.conformance.verifying._pieces.PIECE", 16)
    for tensor in load(VECTORS[vector].path).values():
        whole = bytes(tensor.canonical)
        count = len(whole) * 8 // tensor.element.bits
        half = count // 2 // 8 * 8
        cut = half * tensor.element.bits // 8
        assert read_part(tensor, 0, count) == whole
        assert (read_part(tensor, 0, half), read_part(tensor, half, count)) == (whole[:cut], whole[cut:])


def test_pieces_of_every_view_make_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("endianproof.conformance.verifying._pieces.PIECE", 64)
    base = torch.frombuffer(bytearray(patterned(4 * 6 * 7 * 8)), dtype=torch.int32).reshape(6, 7, 8)
    state = {
        "t": base.permute(2, 0, 1),
        "s": base[::2, :, ::3],
        "e": base[:, :1].expand(6, 7, 8),
        "one": base[2:3].mT,
    }
    path = tmp_path / "views.pt"
    torch.save(state, path)
    for name, tensor in load(path).items():
        expected = state[name].contiguous().numpy().tobytes()
        count = len(expected) // 4
        assert read_part(tensor, 0, count) == expected
        for start, stop in ((0, 8), (8, 40), (16, count), (count // 8 * 8, count)):
            assert read_part(tensor, start, stop) == expected[4 * start : 4 * stop]
        assert digest_of(tensor) == digest_of(tensor, 0, count)
