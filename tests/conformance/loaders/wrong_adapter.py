"""A testee of safetensors that keeps the protocol, but for the one thing that its argument names."""

import atexit
import base64
import hashlib
import json
import os
import sys
import time
from pathlib import Path

WAY = sys.argv[1] if len(sys.argv) > 1 else ""
TYPES = {"F32": ("float32", 4), "BF16": ("bfloat16", 2), "U8": ("uint8", 1), "I16": ("int16", 2)}
HELLO = {
    "protocol": 1,
    "name": "example",
    "version": "1.0",
    "byteorder": sys.byteorder,
    "machine": "any",
    "runtime": "Python",
    "formats": ["safetensors"],
    "dtypes": ["bfloat16", "float32", "int16", "uint8"],
}
KEPT = {}


def without(message, key):
    return {name: value for name, value in message.items() if name != key}


def swapped(data):
    return b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))


def tensors_of(path):
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        buffer = file.read()
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if end > len(buffer):
            raise ValueError("the file was cut off")
        dtype, width = TYPES.get(entry["dtype"], (entry["dtype"].lower(), 1))
        yield {"name": name, "dtype": dtype, "shape": entry["shape"]}, buffer[begin:end], width


# What a tensor of a reply is turned into.
TENSORS = {
    "swapped": lambda one: (
        {**one, "data": base64.b64encode(swapped(base64.b64decode(one["data"]))).decode()}
        if "data" in one
        else one
    ),
    "no-shape": lambda one: without(one, "shape"),
    "no-data": lambda one: without(one, "data"),
    "file's-dtype": lambda one: {**one, "dtype": "F32"},
    "text-shape": lambda one: {**one, "shape": [str(size) for size in one["shape"]]},
    "url-base64": lambda one: {**one, "data": "-_-_"} if "data" in one else one,
    "hex-data": lambda one: {**one, "data": "0x3f80"} if "data" in one else one,
    "unpadded": lambda one: {**one, "data": one["data"].rstrip("=")} if "data" in one else one,
    "floats": lambda one: {**one, "data": [1.0, 2.0]} if "data" in one else one,
    "capital-digest": lambda one: {**one, "sha256": one["sha256"].upper()} if "sha256" in one else one,
    "other-digest": lambda one: {**one, "sha256": "0" * 64} if "sha256" in one else one,
    "misspelt": lambda one: {**without(one, "shape"), "shpae": one["shape"]},
    "wrong-name": lambda one: {**one, "name": one["name"] + "?"},
    "ascii-names": lambda one: {**one, "name": one["name"].encode("ascii", "replace").decode()},
}


def tensor_message(one, data, reply):
    sent = (
        {"data": base64.b64encode(data).decode()}
        if reply == "data" or WAY == "always-data"
        else {"sha256": hashlib.sha256(data).hexdigest()}
    )
    return TENSORS.get(WAY, lambda one: one)({**one, **sent})


def load(request):
    if WAY == "crash-on-format" and request["format"] != "safetensors":
        os.abort()
    if request["format"] != "safetensors":
        return {"outcome": "unsupported", "reason": "format"}
    if WAY == "crash-on-missing" and not Path(request["path"]).exists():
        os.abort()
    if WAY == "always-loaded" or (WAY == "loads-nothing" and not Path(request["path"]).exists()):
        return {"outcome": "loaded", "tensors": []}
    if WAY == "prints":
        print("reading", request["path"])
    try:
        found = list(tensors_of(request["path"]))
    except (OSError, ValueError) as error:
        if WAY == "raises" and isinstance(error, ValueError):
            raise
        if WAY == "loads-halves" and isinstance(error, ValueError):
            return {"outcome": "loaded", "tensors": []}
        words = {"type": type(error).__name__, "message": str(error)}
        return {"outcome": "rejected", "error": str(error) if WAY == "text-error" else words}
    KEPT.update({one["name"]: (one, data, width) for one, data, width in found})
    return {
        "outcome": "loaded",
        "tensors": [tensor_message(one, data, request["reply"]) for one, data, _ in found],
    }


def read(request):
    one, data, width = KEPT[request["name"]]
    begin, end = (
        (request["start"], request["stop"])
        if WAY == "reads-bytes"
        else (
            width * request["start"],
            width * request["stop"],
        )
    )
    part = {**one, "shape": [request["stop"] - request["start"]]}
    return {"outcome": "loaded", "tensors": [tensor_message(part, data[begin:end], request["reply"])]}


def save(request):
    if WAY == "saves-nothing":
        return {"outcome": "saved"}
    if WAY == "refuses-saves":
        return {"outcome": "unsupported", "reason": "not today"}
    header, buffer = {}, b""
    for one in request["tensors"]:
        data = base64.b64decode(one["data"])
        end = len(buffer) + len(data)
        name = next(name for name, (dtype, _) in TYPES.items() if dtype == one["dtype"])
        header[one["name"]] = {"dtype": name, "shape": one["shape"], "data_offsets": [len(buffer), end]}
        buffer += swapped(data) if WAY == "saves-swapped" else data
    text = json.dumps(header).encode()
    with Path(request["path"]).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + buffer)
    return {"outcome": "saved"}


HELLOS = {
    "no-name": without(HELLO, "name"),
    "other-order": {**HELLO, "byteorder": {"little": "big", "big": "little"}[sys.byteorder]},
    "unknown-formats": {**HELLO, "formats": ["safetensor"]},
    "unknown-dtypes": {**HELLO, "dtypes": ["bf16", "f32"]},
    "claims-more": {**HELLO, "formats": ["safetensors", "torch-zip"]},
    "claims-nothing": without(HELLO, "formats"),
    "called-error": {**HELLO, "name": "error"},
    "version-2": {**HELLO, "protocol": 2},
    "cannot": {"protocol": 1, "error": {"type": "ImportError", "message": "no libtensor.so"}},
}
SAVES = ("saves", "saves-nothing", "saves-swapped", "refuses-saves")


def hello(request):
    if WAY == "echoes-protocol":
        return {**HELLO, "protocol": request["protocol"]}
    if WAY == "stops-at-protocol" and request["protocol"] != 1:
        sys.exit(1)
    ops = ["load", "save"] if WAY in SAVES else ["load", "read"] if WAY in ("reads", "reads-bytes") else ["load"]
    return {**HELLOS.get(WAY, HELLO), **({} if WAY == "cannot" else {"ops": ops})}


def answer(request):
    if WAY == "strict-keys" and set(request) - {"op", "protocol", "id", "path", "format", "reply"}:
        raise KeyError("unknown key")
    if request["op"] == "hello":
        return hello(request)
    if request["op"] in ("load", "read", "save"):
        made = {"load": load, "read": read, "save": save}[request["op"]](request)
        reply = {"id": request["id"], **made}
        return reply if WAY != "own-ids" else {**reply, "id": "1"}
    if WAY == "crash-on-op":
        raise ValueError(request["op"])
    if WAY == "silent-on-op":
        time.sleep(60)
    return {"id": request["id"], "error": {"type": "UnknownOperation", "message": request["op"]}}


def spelt(reply):
    if WAY == "indented":
        return json.dumps(reply, indent=1)
    if WAY == "unescaped-id" and "id" in reply:
        return json.dumps(reply).replace(json.dumps(reply["id"]), '"' + reply["id"] + '"')
    return json.dumps(reply)


def lines():
    if WAY == "one-read-one-request":
        while chunk := os.read(0, 1 << 16):
            yield chunk.split(b"\n")[0] + b"\n"
        return
    if WAY == "short-lines":
        while line := sys.stdin.buffer.readline(65536):
            yield line
        return
    yield from sys.stdin.buffer


def parsed(line):
    if WAY == "no-cr" and line.endswith(b"\r\n"):
        raise ValueError("a control character")
    return json.loads(line.decode("ascii" if WAY == "ascii-requests" else "utf-8"))


def say(text):
    if WAY == "buffers":
        atexit.register(print, text)
    else:
        print(text, flush=True)


def farewell():
    if WAY == "answers-bye":
        say("{}")
    sys.exit(3 if WAY == "exit-code" else 0)


def serve(line):
    request = parsed(line)
    if request["op"] != "bye":
        say(spelt(answer(request)))
    elif WAY != "ignores-bye":
        farewell()
    if WAY == "leaves" and request["op"] == "no-such-op":
        os._exit(0)
    if WAY == "chats" and request["op"] == "load":
        say("done")
    if WAY == "complains":
        print("warning: tensors are deprecated", file=sys.stderr, flush=True)


def main():
    if WAY == "mumbles":
        say("Welcome to example 1.0!")
    if WAY == "dies":
        sys.exit("libtensor.so: cannot open shared object file")
    for line in lines():
        serve(line)
    while WAY == "outlives":
        time.sleep(1)


main()
