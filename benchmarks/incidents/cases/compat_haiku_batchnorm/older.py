"""What Haiku 0.0.9 finds in JAX, and JAX has elsewhere since."""

import importlib
import importlib.metadata
import types

import jax

if importlib.metadata.version("dm-haiku") == "0.0.9":
    jax.linear_util = importlib.import_module("jax.extend.linear_util")
    # The kinds of function that it refuses to transform.
    compiled = type(jax.jit(abs))
    known = types.SimpleNamespace(CompiledFunction=compiled, PmapFunction=compiled)
    jax.xla = types.SimpleNamespace(xe=known)
    key = types.SimpleNamespace(key_shape=(2,))
    jax.random.default_prng_impl = lambda: key
