"""Bugs in reading the files of torch.save: the archive, its records, the pickle, tensors over storages."""

from __future__ import annotations

import spoil
from mutant import Mutant, Seam

__all__ = ["TORCH"]

REFUSED, ACCEPTED = "a valid file was refused", "an invalid file was accepted"
UNSWAPPED = "elements were not swapped"
MISNAMED = "the tensors' names are not the file's: "

READER, ZIP, PICKLE, TENSORS = "_torch_zip.py", "_zip.py", "_unpickle.py", "_torch_tensors.py"
GLOBALS = "_globals.py"


def _mutant(name, what, says, rules, *seams, bugs=(), machine="little", formats=("torch-zip",)):
    """Seams are triples: the file, what is found in it, and what stands in its place."""
    made = tuple(Seam(*seam) for seam in seams)
    return Mutant(f"torch-{name}", what, formats, says, tuple(rules.split()), tuple(bugs), machine, seams=made)


def _unchecked(file, condition):
    """A check that is left out."""
    return file, condition, "if False:"


# A storage that is too short is filled with zeros.
SHORT_RECORD = (
    (READER, "if record.size != needed:", "if record.size > needed:"),
    (
        READER,
        "return Storage(record.data(),",
        'return Storage(memoryview(bytes(record.data()).ljust(min(needed, 1 << 16), b"\\0")),',
    ),
)

KNOWN_ORDER = "if text == written.encode():"
BYTE_ORDER = (
    _mutant(
        "byteorder-ignored",
        "the byteorder record is not read, and little is assumed",
        UNSWAPPED,
        "PT-END-02",
        (READER, "byte_order = _byte_order(archive)", 'byte_order = "little"'),
        bugs=["OBSERVED-TG-2", "torch-zip-byteorder"],
    ),
    _mutant(
        "byteorder-absent-native",
        "without a byteorder record the machine's own order is assumed",
        UNSWAPPED,
        "PT-END-03",
        (READER, 'return str(archive.layout["default_byte_order"])', 'return "big"'),
        machine="big",
        bugs=["pytorch#101688 / PR108523"],
    ),
    _mutant(
        "byteorder-absent-refused",
        "a file without a byteorder record is refused",
        REFUSED,
        "PT-END-03",
        (READER, 'return str(archive.layout["default_byte_order"])', "raise ValueError"),
        bugs=["TorchSharp#1204 / PyBridge"],
    ),
    _mutant(
        "byteorder-prefix",
        "byteorder is compared by its beginning",
        ACCEPTED,
        "PT-END-01",
        (READER, KNOWN_ORDER, "if text.startswith(written.encode()):"),
    ),
    _mutant(
        "byteorder-any-case",
        "byteorder is compared without regard to capitals",
        ACCEPTED,
        "PT-END-01",
        (READER, KNOWN_ORDER, "if text.lower() == written.encode():"),
    ),
    _mutant(
        "byteorder-stripped",
        "byteorder is stripped",
        ACCEPTED,
        "PT-END-01",
        (READER, KNOWN_ORDER, "if text.strip() == written.encode():"),
    ),
    _mutant(
        "byteorder-unknown-little",
        "a byteorder that is not known is taken for little",
        ACCEPTED,
        "PT-END-01",
        (READER, KNOWN_ORDER, 'if order == "little" and text != b"big" or text == written.encode():'),
    ),
)

NO_RECORD = 'raise archive.missing(name, where.at, "PT-ZIP-13")'
RECORDS = (
    _mutant(
        "folder-archive",
        "records are looked for in a folder called archive only",
        REFUSED,
        "PT-ZIP-01",
        (READER, 'first = next(iter(records), "")', 'first = "archive/" if records else ""'),
    ),
    _mutant(
        "folder-none",
        "records need no folder",
        ACCEPTED,
        "PT-ZIP-01",
        (
            READER,
            'folder, slash, _ = first.partition("/")',
            'folder, slash = (first.partition("/")[0], "/") if "/" in first else ("", "")',
        ),
        _unchecked(READER, "if not slash:"),
    ),
    _mutant(
        "pickle-missing",
        "a file without data.pkl has no tensors",
        ACCEPTED,
        "PT-ZIP-02",
        (READER, 'raise archive.missing(form.layout["records"]["pickle"], 0, "PT-ZIP-02")', "return {}"),
    ),
    _mutant(
        "version-unchecked",
        "any version is read",
        ACCEPTED,
        "PT-ZIP-03",
        (READER, "    _check_version(archive)\n", ""),
    ),
    _mutant(
        "version-at-most-3",
        "a version after the one that torch writes is refused",
        REFUSED,
        "PT-ZIP-03",
        (READER, '<= limits["newest"]:', "<= 3:"),
    ),
    _mutant(
        "version-any-digit",
        "a version is any text that begins with a digit",
        ACCEPTED,
        "PT-ZIP-03",
        (
            READER,
            'number = re.match(rb"\\s*\\+?[0-9]{1,9}(?![0-9])", text)',
            'text = b"3\\n" if text[:1].isdigit() else text; number = re.match(rb"[0-9]+", text)',
        ),
    ),
    _mutant(
        "version-fallback-unknown",
        "the version is looked for in one of its two places",
        REFUSED,
        "PT-ZIP-03",
        (READER, 'archive.small(names["version_fallback"]) or ', ""),
    ),
    _mutant(
        "long-comment",
        "the end of the directory is looked for in the last 4 KB",
        REFUSED,
        "PT-ZIP-12",
        (ZIP, "data[-(0xFFFF + 64) :]", "data[-4096:]"),
        bugs=["torch-long-comment"],
    ),
    _mutant(
        "compressed-as-stored",
        "compressed bytes are taken for values",
        REFUSED,
        "PT-ZIP-04",
        (ZIP, "if not self.deflated:\n            return self.stored", "return self.stored"),
        (ZIP, "if crc != self.crc32:", "if False:"),
        (READER, "if record.size != needed:", "if False:"),
        bugs=["torch-mmap-records"],
    ),
    _mutant(
        "compressed-refused",
        "a compressed record is refused",
        REFUSED,
        "PT-ZIP-04",
        (
            ZIP,
            'deflated = values["method"] == layout["methods"]["deflated"]',
            (
                'deflated = values["method"] == layout["methods"]["deflated"]\n'
                "    if deflated:\n        raise ValueError"
            ),
        ),
    ),
    _mutant(
        "crc-unchecked",
        "checksums are not checked",
        ACCEPTED,
        "PT-ZIP-05",
        (ZIP, "if crc != self.crc32:", "if False:"),
        bugs=["pytorch#126952 / #28858"],
    ),
    _mutant(
        "crc-of-zero-passes",
        "a checksum of zero is taken for none",
        ACCEPTED,
        "PT-ZIP-05",
        (ZIP, "if crc != self.crc32:", "if crc != self.crc32 and self.crc32:"),
        bugs=["burn#5712/#5756"],
    ),
    _mutant(
        "short-record-zeros",
        "a storage that is too short is filled with zeros",
        ACCEPTED,
        "PT-ZIP-06",
        *SHORT_RECORD,
        bugs=["torch-short-records"],
    ),
    _mutant(
        "long-record",
        "a storage that is too long is read as far as is needed",
        ACCEPTED,
        "PT-ZIP-07",
        (READER, "if record.size != needed:", "if record.size < needed:"),
    ),
    _mutant(
        "duplicate-record-first",
        "of two records of one name the first counts",
        ACCEPTED,
        "PT-ZIP-08",
        (ZIP, "if record.name in records:", "if record.name in records:\n            continue\n        if False:"),
    ),
    _mutant(
        "duplicate-record-last",
        "of two records of one name the last counts",
        ACCEPTED,
        "PT-ZIP-08",
        (ZIP, "if record.name in records:", "if False:"),
    ),
    _mutant(
        "record-unknown-refused",
        "a record that the format does not name is refused",
        REFUSED,
        "PT-ZIP-09",
        (
            READER,
            "        self.records = {",
            (
                "        known = (folder + '/data', folder + '/byteorder', folder + '/version', "
                "folder + '/.')\n"
                "        inside = [name for name in records if name.startswith(folder + '/')]\n"
                "        if not all(name.startswith(known) for name in inside):\n"
                "            raise ValueError\n        self.records = {"
            ),
        ),
    ),
    _mutant(
        "record-aligned",
        "a storage that does not begin at a multiple of 64 is refused",
        REFUSED,
        "PT-ZIP-10",
        (
            READER,
            "    needed = where.numel * size\n",
            "    needed = where.numel * size\n    if record.at % 64:\n        raise ValueError\n",
        ),
    ),
    _mutant(
        "zip64-needed",
        "an archive without zip64 structures is refused",
        REFUSED,
        "PT-ZIP-11",
        (ZIP, "        return values, at\n    try:", "        raise\n    try:"),
    ),
    _mutant(
        "zip64-unknown",
        "an archive with zip64 structures has no entries to be found",
        REFUSED,
        "PT-ZIP-11",
        (
            ZIP,
            '    return values, where["end_offset"]\n\n\ndef _widen',
            "    raise ValueError\n\n\ndef _widen",
        ),
    ),
    _mutant(
        "local-headers",
        "sizes are those of the local header",
        REFUSED,
        "PT-ZIP-15 PT-END-02",
        (
            ZIP,
            '_, start = read_fields(layout["local_file_header"], data, header)',
            (
                'local, start = read_fields(layout["local_file_header"], data, header)\n'
                '    values = {**values, "compressed_size": local["compressed_size"], "size": local["size"]}'
            ),
        ),
    ),
    _mutant(
        "directory-not-needed",
        "a file whose directory is cut off is an empty archive",
        ACCEPTED,
        "PT-ZIP-12",
        (
            READER,
            "    return read_archive(Archive(data, form), form)",
            (
                "    try:\n        return read_archive(Archive(data, form), form)\n"
                "    except SpecViolation as violation:\n"
                '        if violation.rule == "PT-ZIP-12":\n            return {}\n        raise'
            ),
        ),
    ),
    _mutant(
        "storage-missing-zeros",
        "a storage without a record is zeros",
        ACCEPTED,
        "PT-ZIP-13",
        (READER, NO_RECORD, "return Storage(memoryview(bytes(where.numel * size)), byte_order)"),
    ),
    _mutant(
        "record-any-case",
        "records are found without regard to capitals",
        ACCEPTED,
        "PT-ZIP-16",
        (
            READER,
            (
                "    record = archive.records.get(name)\n"
                "    if record is None:\n        raise archive.missing(name, where.at"
            ),
            (
                "    record = {key.lower(): one for key, one in archive.records.items()}.get(name.lower())\n"
                "    if record is None:\n        raise archive.missing(name, where.at"
            ),
        ),
    ),
)

PICKLES = (
    _mutant(
        "global-any-storage",
        "any class of torch called a storage is one of floats",
        ACCEPTED,
        "PT-PKL-01",
        (
            GLOBALS,
            '    raise machine.refuse(f"the global {path!r}", "one that the format names", "PT-PKL-01")',
            (
                '    if name.endswith("Storage"):\n        return Global("FloatStorage")\n'
                '    raise machine.refuse(f"the global {path!r}", "one that the format names", "PT-PKL-01")'
            ),
        ),
    ),
    _mutant(
        "global-any",
        "a global that is not known is passed over",
        ACCEPTED,
        "PT-PKL-01",
        (
            GLOBALS,
            '    raise machine.refuse(f"the global {path!r}", "one that the format names", "PT-PKL-01")',
            '    return Global("rebuild_v2")',
        ),
    ),
    _mutant(
        "id-word-unchecked",
        "the persistent id's first word is not looked at",
        ACCEPTED,
        "PT-PKL-02",
        (GLOBALS, ' and value[0] == form["word"]', ""),
    ),
    _mutant(
        "id-longer",
        "a persistent id may be longer",
        ACCEPTED,
        "PT-PKL-02",
        (GLOBALS, 'len(value) == form["length"]', 'len(value) >= form["length"]'),
        (GLOBALS, "_, storage_class, key, _, numel = value", "_, storage_class, key, _, numel = value[:5]"),
    ),
    _mutant(
        "pickle-end",
        "a pickle that ends without STOP is whole",
        ACCEPTED,
        "PT-PKL-03",
        (
            PICKLE,
            '    raise machine.refuse("the end of the record", "STOP")',
            "    return Unpickled(machine.pop(), machine.at, tuple(machine.storages))",
        ),
    ),
    _mutant(
        "memo-of-256",
        "the memo has 256 places",
        REFUSED,
        "PT-PKL-03",
        (PICKLE, "machine.memo[index] = machine.top(object)", "machine.memo[index % 256] = machine.top(object)"),
        (PICKLE, "if index not in machine.memo:", "index %= 256\n    if index not in machine.memo:"),
    ),
    _mutant(
        "protocol-2-only",
        "a pickle of another protocol than 2 is refused",
        REFUSED,
        "PT-PKL-03",
        (
            PICKLE,
            '"PROTO": lambda _machine, _number: None,',
            '"PROTO": lambda machine, number: None if number == 2 else machine.top(str),',
        ),
    ),
    _mutant(
        "ordered-dict-refused",
        "an OrderedDict is refused",
        REFUSED,
        "PT-PKL-05",
        (GLOBALS, '"ordered_dict": _ordered_dict', '"ordered_dict": lambda machine, _: machine.top(type)'),
    ),
    _mutant(
        "state-dict-refused",
        "attributes of a dict are refused",
        REFUSED,
        "PT-PKL-05",
        (PICKLE, '    "BUILD": _build,\n', ""),
    ),
    _mutant(
        "call-of-anything",
        "what is no function is called, and what would come of it is taken for anything",
        ACCEPTED,
        "PT-PKL-12",
        (GLOBALS, 'raise machine.refuse(f"a call of {role}", "a function", "PT-PKL-12")', "return Made(role)"),
        bugs=["torch-called-tensor"],
    ),
    _mutant(
        "arguments-uncounted",
        "a function is called with more arguments than it takes, or with fewer",
        ACCEPTED,
        "PT-PKL-12",
        (GLOBALS, "if not least <= len(arguments) <= most:", "if False:"),
    ),
    _mutant(
        "attributes-of-another",
        "a tensor with attributes is made by any function",
        ACCEPTED,
        "PT-TEN-21",
        (GLOBALS, "if function in [Global(role) for role in _BUILT]:", "if False:"),
    ),
    _mutant(
        "endless-containers",
        "what is deep inside a container, or comes after a million others, is left out",
        ACCEPTED,
        "PT-PKL-13",
        (TENSORS, 'raise SpecViolation("PT-PKL-13", at', 'return\n        raise SpecViolation("PT-PKL-13", at'),
    ),
    _mutant(
        "parameters-dropped",
        "parameters are left out",
        MISNAMED + "missing",
        "PT-TEN-05",
        (GLOBALS, '"parameter": _first_of', '"parameter": lambda machine, arguments: None'),
    ),
)

TENSORS_OVER_STORAGES = (
    _mutant(
        "outside-storage-offset",
        "an offset past the storage's end is not checked",
        ACCEPTED,
        "PT-TEN-02",
        (TENSORS, "if last >= capacity:", "if last - offset >= capacity:"),
        (
            TENSORS,
            "        return Tensor(name, element, size, storage, offset, stride, signs)",
            "        return Tensor(name, element, size, storage, 0, stride, signs)",
        ),
    ),
    _mutant(
        "outside-storage",
        "what lies outside the storage is not checked",
        ACCEPTED,
        "PT-TEN-02",
        (
            TENSORS,
            "if last >= capacity:",
            "if last >= capacity:\n                size, stride, offset = (0,), (1,), 0\n            if False:",
        ),
        bugs=["pytorch#183381 / #109791"],
    ),
    _mutant(
        "negative-allowed",
        "negative numbers are let through",
        ACCEPTED,
        "PT-TEN-03",
        (TENSORS, "type(item) is not int or item < 0", "type(item) is not int"),
        (
            TENSORS,
            "        return Tensor(name, element, size, storage, offset, stride, signs)",
            (
                "        if offset < 0 or any(n < 0 for n in (*size, *stride)):\n"
                "            size, stride, offset = (0,), (1,), 0\n"
                "        return Tensor(name, element, size, storage, offset, stride, signs)"
            ),
        ),
    ),
    _mutant(
        "rank-unchecked",
        "strides may be more than sizes",
        ACCEPTED,
        "PT-TEN-03",
        (TENSORS, "if len(size) != len(stride):", "stride = stride[: len(size)]\n        if False:"),
    ),
    _mutant(
        "size-float",
        "a size that is a float is made an integer",
        ACCEPTED,
        "PT-TEN-03",
        (
            TENSORS,
            "type(item) is not int or item < 0 for item in value):",
            "type(item) not in (int, float) or item < 0 for item in value):",
        ),
        (
            TENSORS,
            "    return value\n\n\ndef _check_count",
            "    return tuple(map(int, value))\n\n\ndef _check_count",
        ),
    ),
    _mutant(
        "metadata-refused",
        "a tensor with the conj or neg bit is refused",
        REFUSED,
        "PT-TEN-04",
        (
            TENSORS,
            "        words = self.form.layout",
            "        if metadata:\n            raise ValueError\n        words = self.form.layout",
        ),
    ),
    _mutant(
        "conj-only",
        "of the two bits only conj is known",
        "neg bit was ignored",
        "PT-TEN-04",
        (TENSORS, 'negative, conjugate = words["negative"] in metadata,', "negative, conjugate = False,"),
    ),
    _mutant(
        "neg-only",
        "of the two bits only neg is known",
        "conj bit was ignored",
        "PT-TEN-04",
        (TENSORS, 'words["conjugate"] in metadata\n', "False\n"),
    ),
    _mutant(
        "rebuild-v1-refused",
        "the first version of the rebuilding function is refused",
        REFUSED,
        "PT-TEN-06",
        (GLOBALS, "if role not in counts:", 'if role not in counts or role == "rebuild_v1":'),
    ),
    _mutant(
        "rebuild-v3-refused",
        "the third version of the rebuilding function is refused",
        REFUSED,
        "PT-DT-01 PT-END-04",
        (GLOBALS, "if role not in counts:", 'if role not in counts or role == "rebuild_v3":'),
    ),
    _mutant(
        "default-dtype",
        "a dtype that is None is float32",
        ACCEPTED,
        "PT-DT-01",
        (TENSORS, "dtype = call.arguments[6]\n", 'dtype = call.arguments[6] or Global("float32")\n'),
        bugs=["torch-default-dtype"],
    ),
    _mutant(
        "numel-in-bytes",
        "a typed storage's number of elements is taken as bytes",
        REFUSED,
        "PT-DT-01",
        (TENSORS, "counted = load_spec().element_types[kind].bits * packed // 8 if kind else 1", "counted = 1"),
    ),
    _mutant(
        "storage-from-tensor",
        "a shared storage is read by the shape of the first tensor over it",
        "values came back as zero",
        "PT-TEN-01",
        (
            TENSORS,
            "        storage = self.opened(where, counted)\n",
            (
                "        storage = self.opened(where, counted)\n        if where.key not in self.read:\n"
                "            self.read[where.key] = __import__('math').prod(size) * element.itemsize\n"
                "        end = self.read[where.key]\n"
                "        held = bytes(storage.data[:end]).ljust(len(storage.data), b'\\0')\n"
                "        storage = Storage(memoryview(held), storage.byte_order)\n"
            ),
        ),
        (
            TENSORS,
            "        self.form, self.open_storage = form, open_storage\n",
            "        self.form, self.open_storage = form, open_storage\n        self.read = {}\n",
        ),
    ),
)

CHECKS = (
    _mutant(
        "storages-disagree",
        "two ids of one storage may disagree",
        ACCEPTED,
        "PT-TEN-13",
        _unchecked(TENSORS, "if (first.storage_class, first.numel) != (where.storage_class, where.numel):"),
        bugs=["torch-storage-classes"],
    ),
    _mutant(
        "count-unchecked",
        "the number of elements may pass 2^63",
        ACCEPTED,
        "PT-TEN-17",
        (
            TENSORS,
            "            _check_count(call, size)\n",
            (
                "            try:\n                _check_count(call, size)\n"
                "            except SpecViolation:\n                size, stride = (0,), (1,)\n"
            ),
        ),
    ),
    _mutant(
        "metadata-unknown",
        "metadata that is not known is passed over",
        ACCEPTED,
        "PT-TEN-19",
        (
            TENSORS,
            "        if not known or any(value is not True for value in metadata.values()):\n",
            (
                "        items = metadata.items() if isinstance(metadata, dict) else ()\n"
                "        metadata = {key: value for key, value in items if value is True}\n"
                "        if False:\n"
            ),
        ),
    ),
    _mutant(
        "strides-missing",
        "strides that are missing are those of C order",
        ACCEPTED,
        "PT-TEN-20",
        (
            TENSORS,
            "        if size and stride in (None, ()):\n",
            (
                "        if size and stride in (None, ()):\n"
                "            stride = tuple(__import__('math').prod(size[n + 1 :]) for n in range(len(size)))\n"
                "        if False:\n"
            ),
        ),
    ),
    _mutant(
        "untyped-as-bytes",
        "an untyped storage without a dtype holds bytes",
        ACCEPTED,
        "PT-DT-02",
        (
            TENSORS,
            'raise _refuse_argument(call, "an untyped storage without a dtype", "a dtype", "PT-DT-02")',
            'return "uint8", 1',
        ),
    ),
    _mutant(
        "method-unknown",
        "a record by an unknown method, or encrypted, is taken as it is",
        ACCEPTED,
        "PT-ZIP-17",
        _unchecked(ZIP, 'if values["method"] not in layout["methods"].values():'),
        _unchecked(ZIP, 'if values["flags"] & layout["flags"]["encrypted"]:'),
        _unchecked(ZIP, "if crc != self.crc32:"),
        _unchecked(ZIP, 'if not deflated and values["size"] != values["compressed_size"]:'),
        _unchecked(READER, "if record.size != needed:"),
    ),
    _mutant(
        "disks-unchecked",
        "an archive on several disks is read as one",
        ACCEPTED,
        "PT-ZIP-24",
        _unchecked(ZIP, 'if end["disk"] or end["directory_disk"]:'),
    ),
    _mutant(
        "directory-size-unchecked",
        "the directory's size and entries are not held together",
        ACCEPTED,
        "PT-ZIP-25",
        _unchecked(ZIP, 'if at != stated or end["entries"] != end["disk_entries"]:'),
    ),
    _mutant(
        "records-overlap",
        "two records may share bytes",
        ACCEPTED,
        "PT-ZIP-26",
        _unchecked(ZIP, "if after.header < before.at + len(before.stored):"),
    ),
)

SCRIPT, SCRIPT_READER = ("torchscript",), "_torchscript.py"
TORCHSCRIPT = (
    Mutant(
        "script-byteorder-ignored",
        "the byteorder record of a TorchScript archive is not read",
        SCRIPT,
        UNSWAPPED,
        ("PTJ-END-01",),
        ("OBSERVED-PT-4",),
        "little",
        spoil=spoil.not_swapped,
    ),
    _mutant(
        "script-short-record",
        "a storage that is too short is filled with zeros",
        ACCEPTED,
        "PT-ZIP-06",
        *SHORT_RECORD,
        bugs=["torchscript-short-records"],
        formats=SCRIPT,
    ),
    _mutant(
        "script-constants-unneeded",
        "an archive without constants is read",
        ACCEPTED,
        "PTJ-REC-01",
        (SCRIPT_READER, "if constants not in archive.records:", "if False:"),
        formats=SCRIPT,
    ),
    _mutant(
        "script-classes-unchecked",
        "a class without a source is taken all the same",
        ACCEPTED,
        "PTJ-REC-02",
        _unchecked(GLOBALS, 'if module not in classes[module.partition(".")[0]]:'),
        formats=SCRIPT,
    ),
)
DAMAGED = (
    _mutant(
        "metadata-values-ignored",
        "a bit is set whatever its value",
        ACCEPTED,
        "PT-TEN-19",
        (TENSORS, "if not known or any(value is not True for value in metadata.values()):", "if not known:"),
        bugs=["torch-metadata-false"],
    ),
    _mutant(
        "inflating-unchecked",
        "what fails to inflate is zeros",
        ACCEPTED,
        "PT-ZIP-18",
        (ZIP, 'raise SpecViolation("PT-ZIP-18", self.at, found, "DEFLATE data") from None', 'inflated = b""'),
        (
            ZIP,
            "        if len(inflated) != self.size:\n",
            '        inflated = inflated[: self.size].ljust(min(self.size, 1 << 16), b"\\0")\n        if False:\n',
        ),
        _unchecked(ZIP, "if crc != self.crc32:"),
        bugs=["torch-damaged-deflate"],
    ),
)

TORCH = (*CHECKS, *DAMAGED, *TORCHSCRIPT, *BYTE_ORDER, *RECORDS, *PICKLES, *TENSORS_OVER_STORAGES)
