/**
 * Loads what sessions and workers load, in a process that ends by itself and so leaves it compiled for them: they are ended
 * before they could. Descriptor 3 is a pipe, as it is for a session.
 */
const started = [
  import("../../src/onnx/native/SessionMain.ts"),
  import("../../src/onnx/native/SessionRunner.ts"),
  import("../../src/onnx/web/worker.ts"),
  import("../../src/image/decoding/worker.ts"),
  import("onnxruntime-node"),
  import("onnxruntime-web")
]
// What answers as a worker alone has been loaded before it finds out that this is none.
await Promise.allSettled(started)
process.exit()
