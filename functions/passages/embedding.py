"""Sentence embeddings by all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from kadr.contracts.model import Models

MODEL = "minilm_l6_v2"
MAX_TOKENS = 256
WIDTH = 384


class Embedder:
    def __init__(self, models: Models) -> None:
        self._model = models[MODEL]
        self._tokenizer = Tokenizer.from_file(str(self._model.file("tokenizer.json")))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 [N, 384]; of a text longer than 256 tokens, its beginning.

        Only texts of equal token length share a batch, because padding changes values.
        """
        tokens = {text: self._tokenizer.encode(text).ids for text in dict.fromkeys(texts)}
        by_length: dict[int, list[str]] = defaultdict(list)
        for text, ids in tokens.items():
            by_length[len(ids)].append(text)
        vectors: dict[str, np.ndarray] = {}
        size = max(1, self._model.card.batch.max)
        for same in by_length.values():
            for at in range(0, len(same), size):
                batch = same[at : at + size]
                vectors |= zip(batch, self._run([tokens[text] for text in batch]), strict=True)
        return np.array([vectors[text] for text in texts], dtype=np.float32).reshape(-1, WIDTH)

    def _run(self, ids: list[list[int]]) -> np.ndarray:
        input_ids = np.array(ids, dtype=np.int64)
        inputs = {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)}
        return self._model.run(inputs)["embedding"]
