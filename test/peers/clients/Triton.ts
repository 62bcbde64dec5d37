/** Clients of Triton, MLServer and KServe. */
import * as Peer from "../Peer.ts"
import * as Ours from "./Ours.ts"

const { fails, gives, says, seen } = Ours

const triton = Peer.make({
  name: "tritonclient",
  kind: "client",
  packages: Peer.pip("clients", "tritonclient"),
  environments: ["clients"],
  start: Ours.script("openinference", "clients", "triton.py"),
  trials: {
    "pixels and ids in binary": gives("binary"),
    "both in JSON": gives("json"),
    "pixels in binary, ids in JSON": gives("mixed"),
    "files as BYTES": gives("file"),
    "async_infer, several at once": gives("async_infer"),
    "its asyncio client": gives("aio"),
    "two images in one request": says("batch shape", [2, 32, 48]),
    "the first of two images": gives("batch", 1),
    "a token as a password": gives("basic"),
    "an answer that may be packed": gives("packed answer"),
    "whether server and model are ready": says("questions", {
      live: true,
      ready: true,
      model: true,
      other: false,
      "without a key": false
    }),
    "metadata, configuration, repository": says("metadata", {
      outputs: [["labels", "UINT8"]],
      config: ["labels"],
      index: ["READY"],
      extensions: ["binary_tensor_data"]
    }),
    "statistics, of a model and of all": says("statistics", [true, true]),
    "a request that is packed": gives("packed request"),
    "one that is packed by deflate": gives("deflated request"),
    "classes in the place of ids": fails("classification", /"classification" is not done here/),
    "no key": fails("no key", seen.token),
    "another key": fails("other key", seen.otherToken),
    "a picture that is too large": fails("large", /and this service takes at most/),
    "a file that is no image": fails("text", seen.text),
    "a model that is not there": fails("other model", seen.model),
    "a version that is not there": fails("other version", /There is no version "9" of this model/)
  }
})

const kserve = Peer.make({
  name: "kserve-client",
  kind: "client",
  packages: Peer.pip("kserve", "kserve"),
  environments: ["kserve"],
  start: Ours.script("openinference,tfserving", "kserve", "kserve_client.py"),
  trials: {
    "InferenceRESTClient, both in JSON": gives("json"),
    "both in binary": gives("binary"),
    "pixels in JSON, ids in binary": gives("mixed"),
    "files as BYTES": gives("file"),
    "several at once": gives("together"),
    "the first version of its protocol": gives("first"),
    "whether server and model are ready, in both versions": says("questions", {
      live: true,
      ready: true,
      model: true,
      other: false,
      "v1 live": true
    }),
    "no key": fails("no key", seen.token),
    "another key": fails("other key", seen.otherToken),
    "a picture that is too large": fails("large", /and this service takes at most/),
    "a body of 216 MB": fails("much too large", /larger than \d+ bytes, the most this service takes/),
    "a file that is no image": fails("text", seen.text),
    "a model that is not there": fails("other model", seen.model)
  }
})

const mlserver = Peer.make({
  name: "mlserver-client",
  kind: "client",
  packages: Peer.pip("mlserver", "mlserver"),
  environments: ["mlserver"],
  start: Ours.script("openinference", "mlserver", "mlserver_client.py"),
  trials: {
    "an array, by its NumpyCodec": gives("array"),
    "a file, by its Base64Codec": gives("file"),
    "`mlserver infer`, a file of requests": gives("command"),
    "another key": fails("other key", seen.otherToken),
    "a picture that is too large": fails("large", /and this service takes at most/),
    "a file that is no image": fails("text", seen.text),
    "a model that is not there": fails("other model", seen.model)
  }
})

export const rows: ReadonlyArray<Peer.Peer> = [triton, kserve, mlserver]
