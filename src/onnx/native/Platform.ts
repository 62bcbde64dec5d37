/** Why `onnxruntime-node` does not load here: it is not installed, or its binary is none for this platform. */
import { isInstalled } from "../session/Graph.ts"
import type { Unusable } from "./Frames.ts"
import { lineOf } from "../../SystemError.ts"

/** Those that the package has a binary for; since 1.24 there is none for Intel Macs. */
const built: ReadonlySet<string> = new Set([
  "darwin arm64",
  "linux arm64",
  "linux x64",
  "win32 arm64",
  "win32 x64"
])

/**
 * What is said of a failure to load it. The machine, and whether the runtime in WebAssembly is installed, are parameters, so
 * that a test can be on another. @internal
 */
export const notLoadable = (
  cause: unknown,
  { arch, platform }: { readonly arch: string; readonly platform: string } = process,
  hasWeb: boolean = isInstalled("onnxruntime-web")
): Unusable => {
  const reason = lineOf(cause)
  const isMissing = /(?:Cannot find (?:package|module)|Import) '?"?onnxruntime-node/.test(reason)
  const isBuilt = built.has(`${platform} ${arch}`)
  if (isMissing && isBuilt) {
    const also = hasWeb ? `; onnxruntime-web is installed, and ${instead}` : ""
    return { type: "unusable", reason: "runtime", detail: `${reason}${also}` }
  }
  const machine = platform === "darwin" && arch === "x64" ? "Intel Macs" : `${platform} ${arch}`
  const why = isBuilt
    ? `the binary of onnxruntime-node does not load (${reason})`
    : `onnxruntime-node has no binary for ${machine}`
  return { type: "unusable", reason: "platform", detail: `${why}; ${instead}` }
}

const instead = "WebAssembly runs the same model: SegFormerWeb.layer of effect-segformer/onnx/web"

/** What is said of a runtime whose processes have no pipe to answer by; `undefined` of others. @internal */
export const withoutPipe = (
  versions: Readonly<Record<string, string | undefined>> = process.versions
): Unusable | undefined =>
  versions["bun"] === undefined
    ? undefined
    : {
        type: "unusable",
        reason: "platform",
        detail: `under Bun a process has no pipe that it could answer by. Run this by Node; or ${instead}`
      }

/** What is said of a process that never answers. Who runs this is a parameter, so that a test can be another. @internal */
export const silent = (seconds: number, execPath: string = process.execPath): Unusable => ({
  type: "unusable",
  reason: "model",
  detail: `its process did not answer within ${seconds} s. It is started by ${execPath}, which must be Node: in a program with an executable of its own ${instead}`
})
