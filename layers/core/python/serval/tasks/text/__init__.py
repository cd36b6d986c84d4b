"""Tasks that take text and answer from one run: labels, spans, embeddings."""
