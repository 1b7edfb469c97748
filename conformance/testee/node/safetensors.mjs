// The npm package safetensors: the bytes of every tensor, as they lie in the file.

import { SAFETENSORS_DTYPES, serve } from "./protocol.mjs";

await serve("safetensors", ({ SafeTensor }, file) => {
  const opened = new SafeTensor(new Uint8Array(file));
  return [...opened.metadata.keys()]
    .filter((name) => name !== "__metadata__")
    .map((name) => {
      const { dtype, shape } = opened.metadata.get(name);
      return { name, dtype: SAFETENSORS_DTYPES[dtype], shape, data: opened.getTensor(name) };
    });
});
