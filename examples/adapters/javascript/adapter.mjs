// A testee for endianproof: `pytest --testee="node adapter.mjs"`. This file is the protocol, and what to copy;
// safetensors.mjs is the loader under test, in whose place yours comes.

import { createHash } from "node:crypto";
import { arch, endianness } from "node:os";
import { createInterface } from "node:readline";
import { DTYPES, load } from "./safetensors.mjs";

const HELLO = {
  protocol: 1, name: "safetensors.mjs", version: "1.0", runtime: `Node ${process.version}`, machine: arch(),
  byteorder: endianness() === "LE" ? "little" : "big",
  formats: ["safetensors"], dtypes: Object.values(DTYPES).map(([name]) => name),
};

// Canonical bytes: each element, or half of a complex one, least significant byte first.
const PUT = { 1: "setUint8", 2: "setUint16", 4: "setUint32", 8: "setBigUint64" };
function canonical({ unit, words }) {
  const bytes = Buffer.alloc(words.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  words.forEach((word, i) => view[PUT[unit]](i * unit, word, true));
  return bytes;
}

// By hand, because JSON.stringify has no integers beyond 2^53, which a shape with a zero in it may have.
function tensorMessage(tensor, reply) {
  const bytes = canonical(tensor);
  const value = reply === "data" ? bytes.toString("base64") : createHash("sha256").update(bytes).digest("hex");
  const { name, dtype, shape } = tensor;
  return `{"name":${JSON.stringify(name)},"dtype":"${dtype}","shape":[${shape}],"${reply}":"${value}"}`;
}

function answer({ op, id, path, format, reply }) {
  if (op === "hello") return JSON.stringify(HELLO);
  if (op !== "load") return JSON.stringify({ id, error: { type: "UnknownOperation", message: `op ${op}` } });
  if (format !== "safetensors") return JSON.stringify({ id, outcome: "unsupported", reason: `format ${format}` });
  try {
    const tensors = load(path).map((tensor) => tensorMessage(tensor, reply));
    return `{"id":${JSON.stringify(id)},"outcome":"loaded","tensors":[${tensors}]}`;
  } catch (error) {
    return JSON.stringify({ id, outcome: "rejected", error: { type: error.name, message: error.message } });
  }
}

console.log = console.error; // standard output is the protocol's alone
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.op === "bye") break;
  process.stdout.write(`${answer(request)}\n`);
}
process.exit(0);
