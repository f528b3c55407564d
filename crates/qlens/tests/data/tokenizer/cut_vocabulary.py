"""Cuts the vocabulary out of a GGUF model: a GGUF file with its tokenizer, its name and no tensors.

    python3 cut_vocabulary.py MODEL.gguf VOCABULARY.gguf
"""

import struct
import sys

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


def main(model, vocabulary):
    with open(model, "rb") as file:

        def number(form):
            return struct.unpack("<" + form, file.read(struct.calcsize(form)))[0]

        def skip(kind):
            """Moves behind a value of this type."""
            if kind == STRING:
                file.seek(number("Q"), 1)
            elif kind == ARRAY:
                element, count = number("I"), number("Q")
                if element in SIZES:
                    file.seek(SIZES[element] * count, 1)
                else:
                    for _ in range(count):
                        skip(element)
            else:
                file.seek(SIZES[kind], 1)

        assert file.read(4) == b"GGUF"
        version, _tensors, count = number("I"), number("Q"), number("Q")
        kept = []
        for _ in range(count):
            start = file.tell()
            key = file.read(number("Q")).decode()
            skip(number("I"))
            end = file.tell()
            if key.startswith("tokenizer.") or key in ("general.architecture", "general.name"):
                file.seek(start)
                kept.append(file.read(end - start))

    with open(vocabulary, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", version, 0, len(kept)) + b"".join(kept))


main(*sys.argv[1:])
