"""A testee of its own that breaks the protocol in the way its argument names."""

import json
import sys

HELLO = {
    "protocol": 1,
    "name": "liar",
    "version": "1",
    "byteorder": "little",
    "machine": "m",
    "runtime": "r",
    "packages": {},
}
TENSOR = {"name": "w", "dtype": "uint8", "shape": [1], "data": "AQ=="}

HELLOS = {
    "version-2": {**HELLO, "protocol": 2},
    "no-name": {key: value for key, value in HELLO.items() if key != "name"},
    "wrong-conversion": {**HELLO, "conversion": [{"via": "torch", "dtype": "bfloat16", "data": "P4BAAA=="}]},
    "bad-conversion": {**HELLO, "conversion": [{"via": "torch", "dtype": "bfloat16", "data": "!"}]},
    "limited": {**HELLO, "formats": ["safetensors"], "dtypes": ["float32"]},
}
LOADS = {
    "not-json": b"loaded!\n",
    "not-utf8": b"\xff\xfe\n",
    "not-an-object": b"[1]\n",
    "deep": b"[" * 100_000 + b"\n",
    "no-outcome": {"tensors": []},
    "unknown-outcome": {"outcome": "fine"},
    "missing-shape": {"outcome": "loaded", "tensors": [{k: v for k, v in TENSOR.items() if k != "shape"}]},
    "negative-shape": {"outcome": "loaded", "tensors": [{**TENSOR, "shape": [-1]}]},
    "boolean-shape": {"outcome": "loaded", "tensors": [{**TENSOR, "shape": [True]}]},
    "not-base64": {"outcome": "loaded", "tensors": [{**TENSOR, "data": "A"}]},
    "extra-field": {"outcome": "loaded", "tensors": [], "shpae": []},
    "wrong-id": {"id": "another", "outcome": "loaded", "tensors": []},
    "own-failure": {"error": {"type": "OSError", "message": "file not visible"}},
    "digest-for-data": {
        "outcome": "loaded",
        "tensors": [{"name": "w", "dtype": "uint8", "shape": [1], "sha256": "0" * 64}],
    },
    "late-wrong-conversion": {
        "outcome": "loaded",
        "tensors": [],
        "conversion": [{"via": "torch", "dtype": "int16", "data": "AAEAAg=="}],
    },
    "fine": {"outcome": "loaded", "tensors": [TENSOR]},
}


def main():
    way = sys.argv[1]
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "hello":
            if way == "mumble":
                sys.stdout.write("Welcome to liar 1.0!\n")
            sys.stdout.write(json.dumps(HELLOS.get(way, HELLO)) + "\n")
        elif request["op"] == "load":
            if way == "endless-reply":
                while True:
                    sys.stdout.write("x" * 65536)
            reply = LOADS[way]
            if isinstance(reply, bytes):
                sys.stdout.flush()
                sys.stdout.buffer.write(reply)
            else:
                sys.stdout.write(json.dumps({"id": request["id"], **reply}) + "\n")
        else:
            break
        sys.stdout.flush()


main()
