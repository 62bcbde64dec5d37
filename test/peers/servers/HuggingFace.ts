/** What Hugging Face's inference toolkit answers, by its documented shape. */
import { HuggingFace } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Asking from "./Asking.ts"
import * as FastApi from "./FastApi.ts"

const at = (baseUrl: string, options: HuggingFace.HuggingFaceOptions = {}): Asking.Service => ({
  baseUrl: `${baseUrl}/hf`,
  protocol: HuggingFace.make({ classes: Asking.classes, ...options })
})

export const peer = Peer.make({
  name: "huggingface",
  kind: "server",
  packages: Peer.pip("servers", "fastapi", "uvicorn", "pillow", "onnxruntime"),
  environments: ["servers"],
  standsFor:
    "huggingface-inference-toolkit, which is in no registry, and transformers' pipeline, which needs torch",
  start: FastApi.start,
  trials: {
    "bytes in, masks with labels out": ({ url }) => Asking.sameMaps(at(url)),
    "base64 in JSON": ({ url }) => Asking.sameMaps(at(url, { parameters: { subtask: "semantic" } })),
    health: ({ url }) => Asking.healthy(at(url)),
    "400 for whatever fails": ({ url }) =>
      Asking.failsWith(at(url), "RequestRejected", /image file/, Asking.broken)
  }
})
