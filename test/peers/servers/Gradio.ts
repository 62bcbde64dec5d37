/** An app of Gradio: upload, call, and the stream of events. */
import { Gradio } from "effect-segformer/http"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Asking from "./Asking.ts"

const at = (baseUrl: string, options: Gradio.GradioOptions): Asking.Service => ({
  baseUrl,
  protocol: Gradio.make({ classes: Asking.classes, ...options })
})

export const peer = Peer.make({
  name: "gradio",
  kind: "server",
  packages: Peer.pip("servers", "gradio", "onnxruntime"),
  environments: ["servers"],
  start: Process.python("servers", {
    args: (port) => ["servers/gradio_app.py", String(port)],
    env: () => ({ GRADIO_ANALYTICS_ENABLED: "False", HF_HUB_OFFLINE: "1" }),
    ready: async (url) => (await fetch(`${url}/gradio_api/info`)).ok
  }),
  trials: {
    "probe knows it": ({ url }) => Asking.probed(url, "gradio"),
    "a label map as a picture": ({ url }) => Asking.sameMaps(at(url, { endpoint: "predict" })),
    "the sections of an annotated picture": ({ url }) => Asking.sameMaps(at(url, { endpoint: "sections" })),
    "ids in JSON, with a slider beside the picture": ({ url }) =>
      Asking.sameMaps(at(url, { endpoint: "ids", inputs: { threshold: 0.25 }, mask: { at: "0.mask" } })),
    health: ({ url }) => Asking.healthy(at(url, {})),
    "several endpoints, of which none is named": ({ url }) =>
      Asking.failsWith(at(url, {}), "ResponseNotDecodable", /predict, sections, .* take an image/),
    "an endpoint that is not there": ({ url }) =>
      Asking.failsWith(at(url, { endpoint: "other" }), "ResponseNotDecodable", /no "other"/),
    "boxes in the place of masks": ({ url }) =>
      Asking.failsWith(at(url, { endpoint: "boxes" }), "ResponseNotDecodable", /box around something/),
    "a picture as it saves them by default": ({ url }) =>
      Asking.failsWith(
        at(url, { endpoint: "webp" }),
        "ResponseNotDecodable",
        /should be a PNG, and is .*webp/i
      ),
    "an error that the app raises": ({ url }) =>
      Asking.failsWith(at(url, { endpoint: "fails" }), "ReportedFailure", /the lamp is off/),
    "a picture that it cannot read": ({ url }) =>
      Asking.failsWith(at(url, { endpoint: "predict" }), "ReportedFailure", /image/, Asking.broken)
  }
})
