/** Servers of others. */
import type { Absent, Peer } from "../Peer.ts"
import * as BentoML from "./BentoML.ts"
import * as Cog from "./Cog.ts"
import * as FastApi from "./FastApi.ts"
import * as Flask from "./Flask.ts"
import * as Gradio from "./Gradio.ts"
import * as HuggingFace from "./HuggingFace.ts"
import * as KServe from "./KServe.ts"
import * as LitServe from "./LitServe.ts"
import * as MlServer from "./MlServer.ts"
import * as TorchServe from "./TorchServe.ts"

export const rows: ReadonlyArray<Peer> = [
  MlServer.peer,
  KServe.peer,
  TorchServe.peer,
  BentoML.peer,
  Cog.peer,
  LitServe.peer,
  Flask.peer,
  FastApi.peer,
  Gradio.peer,
  HuggingFace.peer
]

export const absent: ReadonlyArray<Absent> = [
  {
    name: "Triton Inference Server",
    because: "it comes as a container image of gigabytes, in no package registry",
    instead: "KServe speaks its binary tensors (row kserve), MLServer its JSON (row mlserver)"
  },
  {
    name: "TensorFlow Serving",
    because:
      "its server is a binary in a container image and in Google's own archive, in no package registry",
    instead: "KServe's first protocol is its REST API (row kserve)"
  },
  {
    name: "huggingface-inference-toolkit",
    because: "it is in no package registry, and its pipelines need torch or TensorFlow",
    instead: "its documented shape on FastAPI (row huggingface)"
  },
  {
    name: "torch of the package index",
    because: "its wheels bring gigabytes of CUDA",
    instead:
      "Debian's torch 1.13, with a transformers and an optimum that run on it (rows transformers and optimum); onnxruntime runs the model in every server, and TorchServe's worker is given a stub to import"
  }
]
