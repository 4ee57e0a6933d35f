"""The package of OpenAI. Its one argument is the job, see `harness/program.mjs`."""

import json
import sys

import openai

job = json.loads(sys.argv[1])
key = job["headers"]["Authorization"].removeprefix("Bearer ")
client = openai.OpenAI(base_url=job["server"] + "/v1", api_key=key, max_retries=0)
words = job["words"]


def transcribe(**options):
    with open(job["file"], "rb") as recording:
        return client.audio.transcriptions.create(
            **{"model": "whisper-1", "file": recording, **options}
        )


def refused(kind, param=None, code=None, **options):
    try:
        transcribe(**options)
    except kind as error:
        assert (error.param, error.code) == (param, code), (error.param, error.code, error)
        return
    raise AssertionError(f"{options} was not refused")


def formats():
    transcript = transcribe()
    assert transcript.text == words, transcript
    assert transcript.usage.type == "duration" and transcript.usage.seconds >= 1, transcript
    assert transcribe(response_format="text").strip() == words
    srt = transcribe(response_format="srt", language="en", prompt="hello", temperature=0.0)
    assert srt.startswith("1\n00:00:") and words in srt, srt
    vtt = transcribe(response_format="vtt")
    assert vtt.startswith("WEBVTT") and words in vtt, vtt


def times():
    transcript = transcribe(response_format="verbose_json")
    assert (transcript.text, transcript.language, transcript.words) == (words, "english", None), transcript
    assert transcript.duration > 0.5, transcript
    (segment,) = transcript.segments
    assert segment.id == 0 and segment.text == words, segment
    assert 0 <= segment.start < segment.end <= transcript.duration, segment
    assert segment.tokens and segment.avg_logprob < 0 <= segment.no_speech_prob, segment
    assert segment.compression_ratio > 0 and segment.temperature == 0, segment
    transcript = transcribe(response_format="verbose_json", timestamp_granularities=["word"])
    assert [word.word for word in transcript.words] == words.split(), transcript
    assert transcript.words[0].end <= transcript.words[1].start, transcript
    assert transcript.segments is None, transcript
    both = ["word", "segment"]
    transcript = transcribe(response_format="verbose_json", timestamp_granularities=both)
    assert transcript.words and transcript.segments, transcript


def streams():
    *deltas, done = transcribe(stream=True)
    assert {delta.type for delta in deltas} == {"transcript.text.delta"}, deltas
    assert "".join(delta.delta for delta in deltas) == words, deltas
    assert (done.type, done.text) == ("transcript.text.done", words), done
    noise = ("noise.mp3", b"\xff\xfb\x90\x00 noise")
    try:
        list(transcribe(stream=True, file=noise))
    except openai.APIError as error:
        assert error.param == "file", error
    else:
        raise AssertionError("noise was transcribed")


def translations():
    with open(job["file"], "rb") as recording:
        transcript = client.audio.translations.create(model="whisper-1", file=recording)
    assert transcript.text == words, transcript


def models():
    listed = [model.id for model in client.models.list()]
    assert listed[0] == "whisper-1", listed
    model = client.models.retrieve("whisper-1")
    assert (model.object, model.owned_by) == ("model", "scribed"), model


def errors():
    bad = openai.BadRequestError
    refused(bad, "temperature", temperature=2.0)
    refused(bad, "response_format", response_format="docx")
    refused(bad, "response_format", timestamp_granularities=["word"])
    refused(bad, "language", language="klingon")
    refused(bad, "file", file=("letter.txt", b"Dear Sir or Madam"))
    refused(bad, "file", file=("noise.mp3", b"\xff\xfb\x90\x00 noise"))
    global client
    mine, client = client, client.with_options(api_key="sk-none-of-yours")
    refused(openai.AuthenticationError, code="invalid_api_key")
    client = mine
    try:
        client.models.retrieve("large-v9")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error
    else:
        raise AssertionError("there is such a model")


def gives_up():
    global client
    client = client.with_options(timeout=2.0)
    refused(openai.APITimeoutError)


for name in job["does"]:
    globals()[name]()
print(json.dumps({"result": "done"}))
