"""Tasks in the words of OpenAI's API: chats, completions and embeddings."""
