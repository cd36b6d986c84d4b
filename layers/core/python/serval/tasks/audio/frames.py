"""Speech frame by frame: an encoder reads, a decoder makes a spectrogram, a vocoder sound of it.

Ao et al., "SpeechT5: Unified-Modal Encoder-Decoder Pre-Training for Spoken Language Processing"
(2022). Graphs and the names of their inputs are those of optimum's exports.
"""

from dataclasses import dataclass

import numpy as np

from serval.foreign import refusing
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.generation.decoder import DecoderGraph
from serval.tasks.generation.encoder_decoder import open_graphs
from serval.tasks.graph import TaskGraph
from serval.tasks.text.tokenizer import INPUT_IDS, UNLIMITED, TextTokenizer

VOCODER = "decoder_postnet_and_vocoder.onnx"
VOICES = "speaker.npy"
READ, READ_MASK = "encoder_outputs", "encoder_attention_mask"
SO_FAR, MORE = "output_sequence", "output_sequence_out"
SPEAKER = "speaker_embeddings"
STOP = 0.5
"""The probability at which the text has been said."""
FRAMES_OF_TOKEN = 20
"""The most frames for a token of the text."""


@dataclass(frozen=True, slots=True)
class FrameSpeaker:
    """The graphs of SpeechT5, and its voices [voices, size]."""

    encoder: TaskGraph
    decoder: DecoderGraph
    vocoder: TaskGraph
    tokenizer: TextTokenizer
    voices: Array
    bins: int
    """Values of a frame."""
    together: int
    """Frames that the decoder makes at once."""
    most: int
    """The most runs of the decoder, which has no more positions."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "FrameSpeaker":
        """Open the graphs beside the encoder, and read tokenizer and voices.

        Raises
        ------
        TaskUnreadable
            If one is missing, or a voice does not fit the decoder.
        """
        config = files.json("config.json")
        encoder, first, later = open_graphs(files, graph, READ)
        size = first.extent(SPEAKER, -1)
        with refusing(lambda said: TaskUnreadable(f"config.json: {said}")):
            bins = first.extent(SO_FAR, -1) or int(config.get("num_mel_bins") or 80)
            together = int(config.get("reduction_factor") or 1)
            most = int(config.get("max_speech_positions") or UNLIMITED)
        return cls(
            encoder or graph,
            DecoderGraph.from_graphs(first, later, config),
            files.graph(VOCODER, "which makes sound of a spectrogram"),
            TextTokenizer.from_files(files),
            read_voices(files, size),
            bins,
            together,
            most,
        )

    def speak(self, text: str, index: int, speaker: int) -> Array:
        """Return the waveform [n] of a text, by one of the voices."""
        ids = self.tokenizer.pad(self.tokenizer.encode([text], names=[f"input {index}"]))
        read = self.encoder.run({INPUT_IDS: ids[INPUT_IDS]}, [READ, READ_MASK])
        most = min(read[READ].shape[1] * FRAMES_OF_TOKEN // self.together, self.most)
        feed = {
            **read,
            SPEAKER: self.voices[[speaker]],
            SO_FAR: np.zeros((1, 1, self.bins), np.float32),
            **self.decoder.empty(self.decoder.first, 1),
        }
        frames: list[Array] = []
        while True:
            begun = bool(frames)
            graph = self.decoder.following if begun else self.decoder.first
            presents = self.decoder.presents[begun]
            feed["use_cache_branch"] = np.array([begun])
            made = graph.run(feed, [MORE, "spectrum", "prob", *presents.values()])
            feed |= {SO_FAR: made[MORE], **{name: made[out] for name, out in presents.items()}}
            frames.append(made["spectrum"])
            if made["prob"].sum() >= STOP or len(frames) >= most:
                break
        spectrogram = np.concatenate(frames)
        return self.vocoder.run({"spectrogram": spectrogram}, ["waveform"])["waveform"].reshape(-1)


def read_voices(files: TaskFiles, size: int | None) -> Array:
    """Read the voices, FP32 [voices, size].

    Raises
    ------
    TaskUnreadable
        If there are none, or they have another size.
    """
    path = files.path(
        VOICES,
        "with the voices, floats [voices, size]: numpy.save writes them, x-vectors for SpeechT5",
    )
    with refusing(lambda said: TaskUnreadable(f"{VOICES}: {said}")), path.open("rb") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        found = array.astype(np.float32, casting="same_kind")
    voices = np.atleast_2d(found)
    if voices.ndim != 2 or not len(voices) or size not in (None, voices.shape[1]):
        raise TaskUnreadable(
            f"{VOICES}: shape {list(found.shape)}, [voices, {size or 'size'}] expected"
        )
    return voices
