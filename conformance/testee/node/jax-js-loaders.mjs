// @jax-js/loaders: every tensor as a typed array.

import { SAFETENSORS_DTYPES, canonical, serve } from "./protocol.mjs";

await serve("@jax-js/loaders", ({ safetensors }, file) =>
  Object.entries(safetensors.parse(new Uint8Array(file)).tensors).map(([name, { dtype, shape, data }]) => ({
    name, dtype: SAFETENSORS_DTYPES[dtype], shape, data: canonical(data),
  })));
