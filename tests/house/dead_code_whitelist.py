"""Names that look unused to vulture, and are not.

Only false alarms stand here: what nobody uses is deleted instead.
"""

# Settings of ONNX Runtime's sessions and of reprlib.
_.enable_mem_pattern
_.graph_optimization_level
_.inter_op_num_threads
_.intra_op_num_threads
_.optimized_model_filepath
_.maxlong
_.maxother
_.maxstring

# Operations of the client, and what its callers read, that no command uses.
_.call_id

# The instance by which JSONata's library evaluates.
_.jsonata

# What Jinja's sandbox reads of ours.
_.intercepted_binops

# Keys of model.yaml, and fields of documents, which are read by their names in JSON.
aggregation_strategy
allow_signature_change
chunk_length_s
function_to_apply
golden_tolerance
max_wait_ms
ttl_seconds
normalize
pooling
return_timestamps
same_bytes
sampling_rate
optional_inputs
response_url
seconds_left
cost_usd
session_ms
src_lang
stride_length_s
target_lang
tgt_lang
truncation

# Tasks, which the catalogue finds by name.
TextClassification

# Readers of `serval init --from`, which its table names.
read_keras
read_onnx
read_program
read_saved_model
read_exported

# Tasks, which the catalogue finds by name, and what callers of tasks read.
AudioClassification
FeatureExtraction
FillMask
ImageClassification
ImageSegmentation
ImageToText
Media
ObjectDetection
QuestionAnswering
SentenceSimilarity
SpeechRecognition
Summarization
TabularClassification
TabularRegression
TextClassification
TextGeneration
TextToSpeech
TokenClassification
Translation
ZeroShotClassification
ZeroShotImageClassification
accepts
answer_chat
open_chat
open_completion
answer_completion
answer_embeddings
answers_in_list
flag
iou
open_task
read_mlflow
stream_chat
stream_completion

# Parts of a tokenizer that the benchmark trains.
_.post_processor
_.pre_tokenizer

# Called or read by libraries: io, zipfile, KServe, protocol buffers, CDK, Pillow.
_.MAX_IMAGE_PIXELS
_.feature_types
_.missing_values
_.seekable
_.readinto
_.readall
_.predict
_.type_name
_.access_log_settings

# Names of the emulator that patches replace.
_._evict_old_metrics
_.AUTH
_.__defaults__
_._probe_peak_memory_mb
_.graceful_timeout

# One of the types of a thrift document, numbered in their order.
MAP
