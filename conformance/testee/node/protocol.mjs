// The testee protocol for loaders of npm packages: requests in, replies out, one line of JSON each.
//
// A program calls serve(package, load): the package is looked for from the folder that the user stands in, and
// load(module, bytes) returns [{name, dtype, shape, data}], data being canonical bytes.

import { existsSync, readFileSync } from "node:fs";
import { arch, endianness } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The format's names of element types, and the protocol's.
export const SAFETENSORS_DTYPES = {
  BOOL: "bool", U8: "uint8", I8: "int8", U16: "uint16", I16: "int16", U32: "uint32", I32: "int32",
  U64: "uint64", I64: "int64", F16: "float16", BF16: "bfloat16", F32: "float32", F64: "float64", C64: "complex64",
  F8_E4M3: "float8_e4m3fn", F8_E5M2: "float8_e5m2", F8_E8M0: "float8_e8m0fnu",
  F8_E4M3FNUZ: "float8_e4m3fnuz", F8_E5M2FNUZ: "float8_e5m2fnuz",
  F6_E2M3: "float6_e2m3fn", F6_E3M2: "float6_e3m2fn", F4: "float4_e2m1fn",
};

// A typed array's elements, each little-endian.
export function canonical(array) {
  const bytes = Buffer.from(array.buffer.slice(array.byteOffset, array.byteOffset + array.byteLength));
  const unit = array.BYTES_PER_ELEMENT;
  if (endianness() === "LE" || unit === 1) return bytes;
  return { 2: () => bytes.swap16(), 4: () => bytes.swap32(), 8: () => bytes.swap64() }[unit]();
}

const failure = (error) => ({ type: error.constructor.name, message: String(error.message).slice(0, 2000) });

// The package's folder, in the node_modules of the folder that the user stands in or of one above it.
function folderOf(name) {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return found;
    if (folder === dirname(folder)) throw new Error(`there is no ${name} in any node_modules from ${process.cwd()} up`);
  }
}

async function imported(name) {
  const folder = folderOf(name);
  const { version, exports, module, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const entry = exports?.["."]?.import?.default ?? exports?.["."]?.import ?? module ?? main ?? "index.js";
  const found = await import(pathToFileURL(join(folder, entry)));
  return [{ ...found.default, ...found }, version];
}

// What keeps a result from being a tensor, for a library that does not look at what it is given; nothing, mostly.
function strangeness({ name, dtype, shape }) {
  if (!dtype) return `${name} has a type that is none of the format's`;
  if (!Array.isArray(shape) || !shape.every((length) => Number.isInteger(length) && length >= 0))
    return `${name} has the shape ${JSON.stringify(shape)}`;
}

export async function serve(name, load) {
  const send = (message) => process.stdout.write(JSON.stringify(message) + "\n");
  console.log = console.error; // what a library prints is for people
  let module, version, missing;
  try {
    [module, version] = await imported(name);
  } catch (error) {
    missing = error;
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.op === "bye") process.exit(0);
    if (request.op === "hello") {
      if (missing) return send({ protocol: 1, error: failure(missing) });
      send({
        protocol: 1, name, version, byteorder: endianness() === "LE" ? "little" : "big", machine: arch(),
        runtime: `Node ${process.versions.node}`, packages: { [name]: version }, ops: ["load"],
      });
    } else if (request.op !== "load") {
      send({ id: request.id, outcome: "unsupported", reason: "this testee can load alone" });
    } else {
      try {
        const found = await load(module, readFileSync(request.path));
        const reason = found.map(strangeness).find((sentence) => sentence);
        const tensors = found.map((one) => ({ ...one, data: Buffer.from(one.data).toString("base64") }));
        send({ id: request.id, ...(reason ? { outcome: "unknown-result", reason } : { outcome: "loaded", tensors }) });
      } catch (error) {
        send({ id: request.id, outcome: "rejected", error: failure(error) });
      }
    }
  }
}
