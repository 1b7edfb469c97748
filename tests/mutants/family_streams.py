"""Bugs in reading the legacy stream of torch.save: its pickles, its list of keys, its storages."""

from __future__ import annotations

import around
import spoil
from mutant import Mutant, Seam

__all__ = ["STREAMS"]

REFUSED, ACCEPTED = "a valid file was refused", "an invalid file was accepted"
LEGACY = ("torch-legacy",)
READER, TENSORS = "_torch_legacy.py", "_torch_tensors.py"


def _mutant(name, what, says, rules, *seams, bugs=(), machine="big"):
    """Seams are pairs of what is found in the reader and what stands in its place."""
    made = tuple(Seam(READER, found, put) for found, put in seams)
    return Mutant(f"legacy-{name}", what, LEGACY, says, tuple(rules.split()), tuple(bugs), machine, seams=made)


def _tar(name, what, says, rules, *seams, bugs=()):
    made = tuple(Seam("_torch_tar.py", found, put) for found, put in seams)
    return Mutant(f"tar-{name}", what, ("torch-tar",), says, tuple(rules.split()), tuple(bugs), seams=made)


def _unchecked(condition):
    """A check that is left out."""
    return condition, "if False:"


SYSTEM = '    stream.pickle("the system\'s properties")\n'
COUNT = 'count, self.at = read_integer(self.form.layout["count"], self.data, start)'
ORDER = 'return Storage(part, layout["byte_order"])'
PART = "part = places[where.key][offset * size : (offset + count) * size]"
READ = "def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:"

HEADER = (
    _mutant(
        "numbers-unchecked",
        "magic number and protocol version are not looked at",
        ACCEPTED,
        "PTL-HDR-01",
        _unchecked("if found != expected:"),
    ),
    _mutant(
        "version-at-least",
        "a later protocol version is read",
        ACCEPTED,
        "PTL-HDR-01",
        ("if found != expected:", "if not (type(found) is int and found >= expected):"),
    ),
    _mutant(
        "magic-of-protocol-2",
        "the magic number is known as protocol 2 writes it only",
        REFUSED,
        "PT-PKL-03",
        (
            '    stream.number("magic", layout["magic"])\n',
            (
                '    if bytes(data[:2]) != b"\\x80\\x02":\n        raise ValueError\n'
                '    stream.number("magic", layout["magic"])\n'
            ),
        ),
        bugs=["burn#5593"],
    ),
    _mutant(
        "system-byte-order",
        "the byte order of the system that wrote the file is taken for the file's",
        "elements were swapped although",
        "PTL-HDR-02",
        (
            SYSTEM,
            (
                '    system = stream.pickle("the system\'s properties").value\n'
                '    big = isinstance(system, dict) and system.get("little_endian") is False\n'
            ),
        ),
        (ORDER, 'return Storage(part, "big" if big else layout["byte_order"])'),
        machine="little",
    ),
    _mutant(
        "system-required",
        "properties of the system that are no dict are refused",
        REFUSED,
        "PTL-HDR-02",
        (
            SYSTEM,
            (
                '    found = stream.pickle("the system\'s properties").value\n'
                "    if not isinstance(found, dict):\n        raise ValueError\n"
            ),
        ),
    ),
    _mutant(
        "id-anywhere",
        "a persistent id outside the objects is None",
        ACCEPTED,
        "PTL-HDR-04",
        (
            'raise machine.refuse(f"the persistent id {shown(value)}", "none in this pickle", "PTL-HDR-04")',
            "return None",
        ),
    ),
    _mutant(
        "pickle-missing",
        "a stream that ends between pickles has no tensors",
        ACCEPTED,
        "PTL-HDR-03",
        (
            READ,
            READ + "\n    try:\n        return _read(data, form)\n"
            "    except SpecViolation as violation:\n"
            '        if violation.rule == "PTL-HDR-03":\n            return {}\n'
            "        raise\n\n\ndef _read(data, form):",
        ),
    ),
)

COUNTS = (
    _mutant(
        "count-big-endian",
        "the number of elements is read in a big-endian machine's order",
        REFUSED,
        "PTL-END-01",
        (COUNT, 'count, self.at = read_integer("s8be", self.data, start)'),
        bugs=["pytorch#92808", "pytorch#26383 / #26267"],
    ),
    _mutant(
        "count-one-byte",
        "one byte of the number of elements is read",
        REFUSED,
        "PTL-END-01",
        (COUNT, f"{COUNT}; count &= 0xFF"),
    ),
    _mutant(
        "count-in-bytes",
        "the number of elements is taken as bytes",
        REFUSED,
        "PTL-DAT-02 PTL-END-01",
        (COUNT, f"{COUNT}; count //= size"),
    ),
    _mutant(
        "count-unchecked",
        "the number of elements is passed over",
        ACCEPTED,
        "PTL-DAT-02",
        (COUNT, f"{COUNT}; count = where.numel"),
    ),
    _mutant(
        "count-believed",
        "the number of elements before the bytes counts, not the persistent id's",
        ACCEPTED,
        "PTL-DAT-02",
        _unchecked("if count != where.numel:"),
    ),
    _mutant(
        "count-assumed-once",
        "one number of elements is assumed before all storages",
        "bytes were read",
        "PTL-DAT-04",
        (
            COUNT,
            (
                "count, self.at = (read_integer(self.form.layout['count'], self.data, start) if not self.seen"
                " else (where.numel, start)); self.seen = True"
            ),
        ),
        (
            "self.data, self.form, self.at = data, form, 0",
            "self.data, self.form, self.at, self.seen = data, form, 0, False",
        ),
        bugs=["burn#4896/PR4897"],
    ),
    _mutant(
        "untyped-counts-elements",
        "an untyped storage is taken to count elements",
        REFUSED,
        "PTL-DAT-03",
        (
            "return load_spec().element_types[name].itemsize if name else 1",
            "return load_spec().element_types[name].itemsize if name else 2",
        ),
    ),
)

STORAGES = (
    _mutant(
        "key-missing-zeros",
        "a storage that the list does not name is zeros",
        ACCEPTED,
        "PTL-DAT-01",
        _unchecked("if key not in keys:"),
        (
            PART,
            "part = places.get(where.key, bytes(where.numel * size))[offset * size : (offset + count) * size]",
        ),
        bugs=["torch-legacy-missing-keys"],
    ),
    _mutant(
        "key-extra-skipped",
        "a key that no storage has is passed over",
        ACCEPTED,
        "PTL-DAT-06",
        (
            "        if key not in named:\n",
            "        if key not in named:\n            continue\n        if False:\n",
        ),
    ),
    _mutant(
        "storages-by-key",
        "storages are taken to follow in the order of their keys",
        REFUSED,
        "PTL-DAT-04",
        ("    for key in keys:\n", "    for key in sorted(keys):\n"),
    ),
    _mutant(
        "storages-by-object",
        "storages are taken to follow in the order of the objects",
        REFUSED,
        "PTL-DAT-04",
        ("    for key in keys:\n", "    for key in named:\n"),
    ),
    _mutant(
        "end-zeros",
        "what the file's end cuts off is zeros",
        ACCEPTED,
        "PTL-DAT-05",
        (
            "        if len(data) < count * size:\n",
            (
                "        data = memoryview(bytes(data).ljust(min(count * size, 1 << 20), b'\\0'))\n"
                "        if False:\n"
            ),
        ),
    ),
    _mutant(
        "keys-twice",
        "a key may be twice in the list",
        ACCEPTED,
        "PTL-DAT-07",
        _unchecked("if found.count(key) > 1:"),
    ),
    _mutant(
        "view-ignored", "a persistent id's view is not read", "", "PTL-VIEW-01", (PART, "part = places[where.key]")
    ),
    _mutant(
        "view-in-bytes",
        "a persistent id's view is taken as bytes",
        "bytes were read",
        "PTL-VIEW-01",
        (PART, "part = places[where.key][offset : offset + count * size]"),
    ),
    _mutant(
        "view-refused",
        "a persistent id with a view is refused",
        REFUSED,
        "PTL-VIEW-01",
        (
            "    if value is None:\n        return None\n",
            "    if value is None:\n        return None\n    raise ValueError\n",
        ),
    ),
    _mutant(
        "view-outside",
        "a view that reaches outside its storage is cut to it",
        ACCEPTED,
        "PTL-VIEW-02",
        _unchecked("if view and view[1] + view[2] > whole.numel:"),
        (
            PART,
            (
                "part = memoryview(bytes(places[where.key][offset * size : (offset + count) * size])"
                '.ljust(min(count * size, 1 << 20), b"\\0"))'
            ),
        ),
        bugs=["torch-legacy-long-views"],
    ),
    _mutant(
        "id-view-unchecked",
        "the view's form is not looked at",
        ACCEPTED,
        "PT-PKL-02",
        (
            "        view = _view_of(value[-1])\n    except ValueError as error:",
            "        view = None\n    except ValueError as error:",
        ),
    ),
)

ELEMENTS = (
    Mutant(
        "legacy-complex-as-one-unit",
        "complex64 is swapped by eight, complex128 not at all",
        LEGACY,
        "complex elements were swapped as one unit",
        ("PTL-END-02",),
        ("OBSERVED-PT-2",),
        spoil=spoil.complex_by_size,
    ),
    Mutant(
        "legacy-untyped-refused",
        "a tensor over an untyped storage is refused",
        LEGACY,
        REFUSED,
        ("PTL-DAT-03",),
        ("OBSERVED-PT-6",),
        around=around.untyped_refused,
    ),
)

TAR = (
    Mutant(
        "tar-pickle-executed",
        "the pickles of a tar archive are executed, whatever was asked for",
        ("torch-tar",),
        "code from the file was executed",
        ("PT-PKL-01",),
        ("CVE-2025-32434 (GHSA-53q9-r3pm-6pq6)",),
        around=around.pickle_executed,
    ),
    _tar(
        "member-missing",
        "a member that is missing is an empty archive",
        ACCEPTED,
        "PTL-TAR-02",
        (
            '            raise SpecViolation("PTL-TAR-02", 0, f"no member {self.name}", "one")',
            "            raise KeyError(self.name)",
        ),
        (
            '    archive = _Archive(data, form)\n    objects = _Part(archive, "objects")\n',
            (
                "    try:\n        archive = _Archive(data, form)\n"
                '        objects = _Part(archive, "objects")\n'
                "    except KeyError:\n        return {}\n"
            ),
        ),
    ),
    _tar(
        "key-unknown",
        "a persistent id that nothing has is passed over",
        ACCEPTED,
        "PTL-TAR-06",
        (
            '            raise machine.refuse(f"the persistent id {shown(value)}", expected, "PTL-TAR-06")',
            "            return None",
        ),
    ),
    _tar(
        "view-unchecked",
        "a view outside its storage is cut to it",
        ACCEPTED,
        "PTL-TAR-08",
        ("if min(offset, size) < 0 or offset + size > whole.numel:", "if False:"),
        ("part = self.data[where.key][offset * size : (offset + count) * size]", "part = memoryview(bytes(64))"),
    ),
    _tar(
        "view-ignored",
        "a view is taken for its whole storage",
        "values differ",
        "PTL-TAR-08",
        ("view = str(key), offset, size", "view = str(key), 0, size"),
    ),
    _tar(
        "damaged-is-empty",
        "an archive that cannot be read has no tensors",
        ACCEPTED,
        "PTL-TAR-03 PTL-TAR-04 PTL-TAR-09",
        (
            READ,
            READ + "\n    try:\n        return _read(data, form)\n    except SpecViolation as violation:\n"
            '        if violation.rule in {"PTL-TAR-03", "PTL-TAR-04", "PTL-TAR-09"}:\n            return {}\n'
            "        raise\n\n\ndef _read(data, form):",
        ),
    ),
)

STREAMS = (*HEADER, *COUNTS, *STORAGES, *ELEMENTS, *TAR)
