// Reads safetensors files: https://github.com/safetensors/safetensors, and endianproof's docs/spec/safetensors.md,
// whose rules are named beside what holds them. The file's elements are little-endian; what is handed out are typed
// arrays in this machine's order, whichever that is: DataView swaps where it has to.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { Entries, Numeral, parse } from "./json.mjs";

// Name in the file: element type, its bits, and the bytes that keep together (a complex64 is two of four).
export const DTYPES = {
  BOOL: ["bool", 8, 1], U8: ["uint8", 8, 1], I8: ["int8", 8, 1],
  U16: ["uint16", 16, 2], I16: ["int16", 16, 2], F16: ["float16", 16, 2], BF16: ["bfloat16", 16, 2],
  U32: ["uint32", 32, 4], I32: ["int32", 32, 4], F32: ["float32", 32, 4],
  U64: ["uint64", 64, 8], I64: ["int64", 64, 8], F64: ["float64", 64, 8], C64: ["complex64", 64, 4],
  F8_E4M3: ["float8_e4m3fn", 8, 1], F8_E5M2: ["float8_e5m2", 8, 1], F8_E8M0: ["float8_e8m0fnu", 8, 1],
  F8_E4M3FNUZ: ["float8_e4m3fnuz", 8, 1], F8_E5M2FNUZ: ["float8_e5m2fnuz", 8, 1],
  F6_E2M3: ["float6_e2m3fn", 6, 1], F6_E3M2: ["float6_e3m2fn", 6, 1], F4: ["float4_e2m1fn", 4, 1],
};
const LONGEST_HEADER = 100_000_000;
const LARGEST = 2n ** 64n - 1n;

export class SafetensorsError extends Error {}

function refuse(what) {
  throw new SafetensorsError(what);
}

// Elements of one, two, four or eight bytes, as unsigned integers of this machine: by shifts and not by what its
// memory looks like. Whoever wants floats views the same buffer as Float32Array.
const WORDS = {
  1: (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice(),
  2: (view) => Uint16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true)),
  4: (view) => Uint32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getUint32(4 * i, true)),
  8: (view) => BigUint64Array.from({ length: view.byteLength / 8 }, (_, i) => view.getBigUint64(8 * i, true)),
};

class File {
  constructor(path) {
    this.descriptor = openSync(path, "r");
    this.size = fstatSync(this.descriptor).size;
  }

  read(at, length) {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.descriptor, bytes, done, length - done, at + done);
      if (count === 0) refuse(`the file ends at byte ${at + done}`);
      done += count;
    }
    return bytes;
  }
}

function readHeader(file) {
  if (file.size < 8) refuse(`ST-HDR-02: a file of ${file.size} bytes`);
  const length = file.read(0, 8).readBigUInt64LE();
  if (length > LONGEST_HEADER) refuse(`ST-HDR-03: a header of ${length} bytes`);
  if (8n + length > file.size) refuse(`ST-HDR-04: a header of ${length} bytes in a file of ${file.size}`);
  const bytes = file.read(8, Number(length));
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes); // ST-HDR-05
  if (text[0] !== "{") refuse("ST-HDR-06: the header does not begin with {");
  const [entries, rest] = parse(text); // ST-JSON-01, 11, 13, 17
  if (/[^ ]/.test(rest)) refuse("ST-HDR-08, ST-HDR-09: something else than spaces behind the header");
  return [entries, 8 + Number(length)];
}

function unique(entries, where) {
  const found = new Map(entries);
  if (found.size < entries.length) refuse(`ST-JSON-02, 04, 14, 20: a name twice in ${where}`);
  return found;
}

function checkMetadata(metadata) {
  if (!(metadata instanceof Entries)) refuse("ST-JSON-03, 05: __metadata__ is no object");
  for (const [key, value] of unique(metadata, "__metadata__")) {
    if (typeof value !== "string") refuse(`ST-JSON-03: __metadata__ has no string under ${key}`);
  }
}

function integers(value, name) {
  if (!Array.isArray(value) || value instanceof Entries) refuse(`ST-JSON-06: no array in the entry of ${name}`);
  return value.map((item) => {
    const isInteger = item instanceof Numeral && /^[0-9]{1,20}$/.test(item.text);
    if (!isInteger || BigInt(item.text) > LARGEST) refuse(`ST-JSON-06, 16: no integer in the entry of ${name}`);
    return BigInt(item.text);
  });
}

function field(entry, key, name) {
  const found = entry.filter(([each]) => each === key); // other keys are nobody's business: ST-JSON-07
  if (found.length !== 1) refuse(`ST-JSON-09: ${key} ${found.length} times in the entry of ${name}`);
  return found[0][1];
}

function multiplied(shape, bits, name) {
  if (shape.includes(0n)) return 0n; // ST-OFF-07, ST-OFF-09
  let product = BigInt(bits);
  for (const size of shape) {
    product *= size;
    if (product > LARGEST) refuse(`ST-OFF-04: the shape of ${name} is too large`);
  }
  return product;
}

function describe(name, entry) {
  if (!(entry instanceof Entries)) refuse(`ST-JSON-08, 19: the entry of ${name} is no object`);
  const dtype = field(entry, "dtype", name);
  const shape = integers(field(entry, "shape", name), name);
  const offsets = integers(field(entry, "data_offsets", name), name);
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPES, dtype)) refuse(`ST-DT-01: the dtype of ${name}`);
  if (offsets.length !== 2) refuse(`ST-JSON-09: ${offsets.length} offsets in the entry of ${name}`);
  const [element, bits, unit] = DTYPES[dtype];
  const [begin, end] = offsets;
  const length = multiplied(shape, bits, name);
  if (begin > end) refuse(`ST-OFF-08: ${name} ends before it begins`);
  if (length % 8n) refuse(`ST-OFF-05: ${name} fills no whole bytes`);
  if (end - begin !== length / 8n) refuse(`ST-OFF-03: ${end - begin} bytes for ${name}, not ${length / 8n}`);
  return { name, dtype: element, unit, shape, begin, end };
}

function checkCoverage(tensors, size) {
  const inOrder = (a, b) => Number(a.begin > b.begin) - Number(a.begin < b.begin) || Number(a.end > b.end) - Number(a.end < b.end);
  let covered = 0n;
  for (const { name, begin, end } of [...tensors].sort(inOrder)) {
    if (begin !== covered) refuse(`ST-OFF-01: ${name} begins at ${begin}, not ${covered}`);
    covered = end;
  }
  if (covered !== BigInt(size)) refuse(`ST-OFF-02: ${size} bytes behind the header, not ${covered}`);
}

// The tensors of a file: [{name, dtype, unit, shape (BigInts), words (a typed array)}]. Throws where it breaks a rule.
export function load(path) {
  const file = new File(path);
  try {
    const [entries, start] = readHeader(file);
    const found = unique(entries, "the header");
    if (found.has("__metadata__")) checkMetadata(found.get("__metadata__"));
    found.delete("__metadata__"); // ST-JSON-12
    const tensors = [...found].map(([name, entry]) => describe(name, entry));
    checkCoverage(tensors, file.size - start);
    return tensors.map(({ begin, end, ...tensor }) => {
      const bytes = file.read(start + Number(begin), Number(end - begin));
      return { ...tensor, words: WORDS[tensor.unit](new DataView(bytes.buffer, bytes.byteOffset, bytes.length)) };
    });
  } finally {
    closeSync(file.descriptor);
  }
}
