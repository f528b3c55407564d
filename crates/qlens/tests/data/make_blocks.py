#!/usr/bin/env python3
"""Writes random blocks of a ggml format, and the weights that gguf-py's `dequantize` reads in them.

    pip install numpy gguf
    make_blocks.py IQ4_NL IQ4_XS Q3_K

Of each format `blocks/NAME.bin` holds 1024 weights, `blocks/NAME.f32` the same as little-endian f32. Every bit is
random but for those of the block scales, which are finite.
"""
import pathlib
import sys

import gguf
import numpy as np

# Where a block has its f16 scales.
SCALES = {"IQ4_NL": [0], "IQ4_XS": [0], "Q3_K": [108]}
WEIGHTS = 1024


def main():
    folder = pathlib.Path(__file__).parent / "blocks"
    for name in sys.argv[1:]:
        quant = gguf.GGMLQuantizationType[name]
        length, size = gguf.GGML_QUANT_SIZES[quant]
        random = np.random.default_rng(quant.value)
        blocks = random.integers(0, 256, (WEIGHTS // length, size), dtype=np.uint8)
        for at in SCALES[name]:
            scales = random.standard_normal(len(blocks)).astype("<f2")
            blocks[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
        blocks.tofile(folder / f"{name.lower()}.bin")
        gguf.quants.dequantize(blocks, quant).astype("<f4").tofile(folder / f"{name.lower()}.f32")


main()
