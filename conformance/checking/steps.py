"""The steps of a check, in the order in which they are tried. Each says what it found, or raises WrongError."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.conformance.checking.saving import read_parts, save_plain
from endianproof.conformance.checking.talk import BYE, HELLO, LIVE, WrongError, quoted
from endianproof.conformance.messages import encode
from endianproof.conformance.outcome import OutcomeKind
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from endianproof.conformance.checking.case import Case

__all__ = ["INTRODUCTION", "STEPS", "Step"]

END_SECONDS = 10.0  # that a testee has to exit
LONG = 1 << 20  # bytes of a long line; a save of a few tensors has as many
NO_SUCH_PROTOCOL = 999
# What JSON may escape, and adapters that put replies together by hand forget: quotes, a backslash, a pair.
ODD_ID = 'c "quoted" \\ \u00e9 \U0001d11e'
ODD_FOLDER = "with space 'n \u00e9 \U0001d11e"


@dataclass(frozen=True)
class Step:
    """One step: its name, what it sends, and the check. `needs` is what was found out before it can be tried."""

    name: str
    sends: str
    check: Callable[[Case], str]
    needs: str = ""

    def is_ready(self, case: Case) -> bool:
        """Whether it can be tried: it needs an op of the testee's, or a format that it was seen to load."""
        return {"": True, "good": bool(case.good)}.get(self.needs, self.needs in case.ops)


def _introduce(case: Case) -> str:
    case.talk.fresh()
    case.talk.line(HELLO)
    hello = case.talk.introduction()
    if "error" in hello:
        error = f"{hello['error']['type']}: {hello['error']['message']}"
        raise WrongError(
            error, "what the testee is", "mend what it says: without a loader there is nothing to check"
        )
    case.talk.nothing_more()
    case.hello = hello
    if hello["byteorder"] != case.machine_order:
        raise WrongError(
            f"byteorder {hello['byteorder']!r}",
            f"{case.machine_order!r}, that of the machine it runs on",
            "look, do not write it down: the first byte of the 16-bit integer 1 is 1 on a little-endian machine",
            "#/$defs/hello_reply/properties/byteorder",
        )
    _any_known("formats", hello, load_spec().formats)
    _any_known("dtypes", hello, load_spec().element_types)
    return f"protocol 1; asked for {', '.join(case.ops)}; {_claims(hello)}"


def _any_known(key: str, hello: dict[str, Any], known: Iterable[str]) -> None:
    if key in hello and not set(hello[key]) & set(known):
        raise WrongError(
            f"{key} {', '.join(hello[key]) or 'empty'}",
            f"some of {', '.join(known)}",
            f"spell {key} as the specification does, or leave the key out: what is not listed is never asked",
            f"#/$defs/hello_reply/properties/{key}",
        )


def _claims(hello: dict[str, Any]) -> str:
    formats = ", ".join(hello["formats"]) if "formats" in hello else "every format"
    return f"{formats}; {len(hello['dtypes'])} dtypes" if "dtypes" in hello else f"{formats}; every dtype"


def _load_all(case: Case) -> str:
    refused = []
    for name in case.formats:
        vector = case.small(name)
        outcomes = case.load_twice(vector, case.copy(vector))
        if outcomes[0].kind is OutcomeKind.LOADED:
            if wrong := case.judged(vector, outcomes):
                raise WrongError(
                    wrong,
                    f"what {vector.id} holds, in data and in sha256",
                    f"see: endianproof explain {vector.id}",
                )
            _digests_came(case)
            case.good.append(name)
        elif outcomes[0].kind is OutcomeKind.REJECTED and vector.verdict == "may":
            refused.append(name)  # the format's own affair
        else:
            refused.append(_refused(case, name, f"{outcomes[0].kind.value}: {outcomes[0].message}"))
    if not case.good:
        raise WrongError("; ".join(refused), "at least one format loaded", "begin with one small valid file")
    return f"{', '.join(case.good)}: data and sha256 agree" + (
        f"; refused: {', '.join(refused)}" if refused else ""
    )


def _digests_came(case: Case) -> None:
    tensors = case.talk.message("loaded")["tensors"]
    if any("sha256" not in tensor for tensor in tensors):
        raise WrongError(
            "data where the request says sha256",
            "the hex digest of the same bytes, under the key sha256",
            "look at the request's `reply`: for large files only digests travel",
            "#/$defs/tensor_digest/required",
        )


def _refused(case: Case, name: str, said: str) -> str:
    if "formats" in case.hello:
        raise WrongError(
            f"{name}: {said}",
            "a small valid file of a claimed format, loaded",
            "load it, or take the format out of hello's formats",
            "#/$defs/loaded",
        )
    return f"{name} (list what is read in hello's formats, and the rest is not asked)"


def _names(case: Case) -> str:
    vectors = [vector for vector in map(case.beyond_ascii, case.good) if vector is not None]
    for vector in vectors:
        outcomes = case.load_twice(vector, case.copy(vector))
        if wrong := case.judged(vector, outcomes):
            advice = (
                "names are UTF-8 in the file and JSON strings in the reply: raw UTF-8, or \\u escapes in pairs"
            )
            raise WrongError(wrong, "the names as the file has them", advice)
    return (
        f"{', '.join(vector.id for vector in vectors)}"
        if vectors
        else "nothing to try: no such file in these formats"
    )


def _loads(case: Case, request: dict[str, Any], line: bytes, what: str, advice: str) -> None:
    """Have a file loaded that is known to load, by a request that is spelt in an unusual way."""
    reply = case.talk.ask(request, line)
    if reply.get("outcome") != "loaded":
        raise WrongError(quoted(case.talk.received), f"loaded: {what}", advice, "#/$defs/loaded")


def _raw(request: dict[str, Any]) -> bytes:
    return json.dumps(request, ensure_ascii=False).encode() + b"\n"


def _paths(case: Case) -> str:
    vector = case.small(case.good[0])
    for spell in (encode, _raw):
        path = case.copy(vector, f"{ODD_FOLDER}/{vector.path.name}")
        request = case.request(path, vector.format)
        advice = "a path is a JSON string: \\u escapes, pairs of them too, and raw UTF-8 mean the same"
        _loads(case, request, spell(request), f"a path with a space, a quote, {ODD_FOLDER[-3:]!r}", advice)
    return "escaped and as raw UTF-8"


def _ids(case: Case) -> str:
    request = {**case.plain(), "id": ODD_ID}
    _loads(case, request, b"", "a request with an odd id", "escape the id as JSON has it")
    return "quotes, a backslash and a character beyond ASCII came back"


def _more_keys(case: Case) -> str:
    request = {**case.plain(), "hint": {"deep": [1, None]}}
    _loads(case, request, b"", "a key that it does not know is ignored", "ignore keys that you do not know")
    return "ignored"


def _carriage_return(case: Case) -> str:
    request = case.plain()
    line = encode(request).rstrip(b"\n") + b"\r\n"
    _loads(case, request, line, "CR is white space to JSON", "a line ends at LF; a CR before it is white space")
    return "white space"


def _long_line(case: Case) -> str:
    request = case.plain()
    line = b"{" + b" " * LONG + encode(request)[1:]
    advice = (
        "read lines of any length (Go: bufio.Reader, not Scanner, which stops at 64 KiB; C: getline, not fgets)"
    )
    _loads(case, request, line, f"a line of {LONG} bytes", advice)
    return f"{LONG} bytes"


def _two_at_once(case: Case) -> str:
    first, second = case.plain(), case.plain()
    _loads(case, first, encode(first) + encode(second), "the first of two requests in one go", LIVE)
    try:
        case.talk.line(b"", second["id"])
    except WrongError as error:
        advice = "keep what was read past the first line for the next request"
        raise WrongError(error.found, "a reply to the second of two requests sent in one go", advice) from error
    case.talk.same_id(case.talk.message("load_reply"), second["id"])
    return "answered one after the other"


def _not_loaded(case: Case, request: dict[str, Any], what: str, advice: str, outcomes: Iterable[str]) -> str:
    """A request that cannot be met: `outcomes` are the answers that say so, "" for an error without an outcome."""
    reply = case.talk.ask(request)
    outcome = reply.get("outcome", "")
    if outcome not in outcomes:
        expected = " or ".join(one or "an error without an outcome" for one in outcomes)
        raise WrongError(quoted(case.talk.received), f"{expected}: {what}", advice, "#/$defs/rejected")
    return outcome or f"error {reply['error']['type']}"


def _missing_file(case: Case) -> str:
    request = case.request(case.folder / "there-is-no-such-file", (case.good or case.formats)[0])
    advice = "catch the error of opening the file, and answer `rejected`"
    return _not_loaded(case, request, "the file does not exist", advice, ("rejected", ""))


def _broken_file(case: Case) -> str:
    vector = case.small((case.good or case.formats)[0])
    path = case.folder / f"half-{vector.path.name}"
    data = vector.path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    advice = "a file that breaks a rule is `rejected`, whatever the error says"
    return _not_loaded(case, case.request(path, vector.format), "the file was cut in half", advice, ("rejected",))


def _unknown_format(case: Case) -> str:
    path = case.copy(case.small((case.good or case.formats)[0]))
    reply = case.talk.ask(
        case.request(path, "no-such-format")
    )  # any answer to a load will do: some look at the file
    return str(reply.get("outcome", "error"))


def _unknown_op(case: Case) -> str:
    request = {"op": "no-such-op", "id": case.talk.new_id()}
    advice = 'answer {"id":...,"error":{"type":"UnknownOperation","message":...}}, and live on'
    return _not_loaded(case, request, "there is no such op", advice, ("", "unsupported"))


def _still_there(case: Case) -> str:
    case.talk.ready()
    _loads(case, case.plain(), b"", "after all that, the plain file loads as before", LIVE)
    return "the plain file loads as before"


def _other_protocol(case: Case) -> str:
    case.talk.fresh()
    case.talk.line(encode({"op": "hello", "protocol": NO_SUCH_PROTOCOL}))
    found = case.talk.introduction()
    case.talk.end()
    return f"answered with protocol {found['protocol']}"


def _bye(case: Case) -> str:
    case.talk.ready()
    return _exits(case, BYE, must_be_zero=True)


def _end_of_requests(case: Case) -> str:
    case.talk.ready()
    return _exits(case, b"", must_be_zero=False)


def _exits(case: Case, farewell: bytes, *, must_be_zero: bool) -> str:
    code = case.talk.dismiss(farewell, END_SECONDS)
    if code is None:
        advice = (
            "leave the loop at `bye` and at the end of standard input, and end threads that would keep it alive"
        )
        raise WrongError(f"it went on running for {END_SECONDS:g} seconds", "the process ends", advice)
    if must_be_zero and code:
        raise WrongError(f"exit code {code}", "exit code 0", "a farewell is no error: exit with code 0")
    return f"exit code {code}"


INTRODUCTION = Step("hello", '{"op":"hello","protocol":1}', _introduce)

STEPS = (
    Step("load", "a small valid file of each format, twice: data, then sha256", _load_all, "load"),
    Step("names", "a file with a tensor's name beyond ASCII", _names, "good"),
    Step("paths", "a path beyond ASCII, escaped and raw", _paths, "good"),
    Step("ids", f"the id {ODD_ID}", _ids, "good"),
    Step("unknown keys", "a request with keys that the schema does not have", _more_keys, "good"),
    Step("CR LF", "a request that ends with CR LF", _carriage_return, "good"),
    Step("long line", f"a request of {LONG} bytes", _long_line, "good"),
    Step("two at once", "two requests in one go", _two_at_once, "good"),
    Step("missing file", "a path where nothing is", _missing_file, "load"),
    Step("broken file", "the first half of a valid file", _broken_file, "load"),
    Step("unknown format", "a format that there is not", _unknown_format, "load"),
    Step("unknown op", "an op that there is not", _unknown_op),
    Step("still there", "the plain file again", _still_there, "good"),
    Step("read", "parts of a tensor that was kept", read_parts, "read"),
    Step("save", "a small save of each format", save_plain, "save"),
    Step("other protocol", f'{{"op":"hello","protocol":{NO_SUCH_PROTOCOL}}}, to a new process', _other_protocol),
    Step("bye", '{"op":"bye"}', _bye),
    Step("end of requests", "nothing: standard input is closed", _end_of_requests),
)
