"""Blocks of every format and the weights that gguf's own dequantizer makes of them: one file a format.

    pip install gguf && python make.py

A file holds blocks of random bytes, then their weights, f32 little-endian. Scales are drawn apart from the other
bytes, so that none is NaN or infinite.
"""

import struct

import numpy
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

WEIGHTS = 512
# Where a block has half-precision numbers.
HALVES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
}

for name, halves in HALVES.items():
    random = numpy.random.default_rng(list(name.encode()))
    kind = GGMLQuantizationType[name]
    block_len, block_bytes = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (WEIGHTS // block_len, block_bytes), dtype=numpy.uint8)
    for block in blocks:
        for at in halves:
            block[at : at + 2] = list(struct.pack("<e", random.normal()))
    weights = dequantize(blocks, kind).astype("<f4")
    assert weights.size == WEIGHTS and numpy.isfinite(weights).all()
    with open(f"{name}.bin", "wb") as file:
        file.write(blocks.tobytes() + weights.tobytes())
