/** Clients of Roboflow. */
import * as Peer from "../Peer.ts"
import * as Ours from "./Ours.ts"

const { fails, gives, says, seen } = Ours

const sdk = Peer.make({
  name: "inference-sdk",
  kind: "client",
  packages: Peer.pip("clients", "inference-sdk"),
  environments: ["clients"],
  start: Ours.script("roboflow", "clients", "roboflow_sdk.py"),
  trials: {
    "infer of a path, the key in the query": gives("path"),
    "a list of images": gives("list"),
    infer_async: gives("async"),
    "an array": says("array", [32, 48]),
    "the key in a header": gives("header"),
    "the key in both": gives("both"),
    "pixels under a confidence are background": says("confidence", [true, true]),
    "its registry of models": says("models", [["bundled/1", "segformer/1"], "semantic-segmentation"]),
    "its newer protocol, which has no semantic segmentation": fails(
      "v1",
      /Model task semantic-segmentation is not supported by API v1 client/
    ),
    "another key": fails("other key", seen.otherToken),
    "a picture that is too large": fails("large", seen.tooLarge),
    "a file that is no image": fails("text", seen.text),
    "a model that is not there": fails("other model", seen.model)
  }
})

const python = Peer.make({
  name: "roboflow (Python)",
  kind: "client",
  packages: Peer.pip("clients", "roboflow"),
  environments: ["clients"],
  start: Ours.script("roboflow", "clients", "roboflow_client.py"),
  trials: {
    "SemanticSegmentationModel.predict: sizes and classes": says("shapes", [
      true,
      ["background", "particle", "scratch", "stain", "fiber", "pit"]
    ]),
    "the ids of the JPEG that it sends": says("same", [true, true]),
    "pixels under a confidence in percent are background": says("sure", [false, true]),
    "an array": says("array", [32, 48]),
    "its picture of the mask": says("drawn", true),
    // It shows no more of an answer than its status.
    "another key": fails("other key", /401 Client Error: Unauthorized/),
    "a model that is not there": fails("other model", /404 Client Error: Not Found/)
  }
})

export const rows: ReadonlyArray<Peer.Peer> = [sdk, python]
