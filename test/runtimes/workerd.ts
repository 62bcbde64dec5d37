/**
 * A worker such as Cloudflare's, run by their own runtime: `docs/examples/web/worker.ts` before a service, which is this
 * package's own server with the model in the box.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import { SegFormerServer } from "effect-segformer/server"
import { rolldown } from "rolldown"
import * as Warm from "../support/Warm.ts"

/** As a worker is deployed: one module, with what the platform has of Node left to it. */
const bundled = async (input: string): Promise<string> => {
  const build = await rolldown({
    input,
    platform: "node",
    external: [/^node:/, /^(sharp|onnxruntime-(node|web)|@jsquash\/jpeg|@cantoo\/pdf-lib)($|\/)/],
    resolve: { conditionNames: ["effect-segformer-source", "import", "module", "default"] },
    onLog: () => {}
  })
  const { output } = await build.generate({ format: "esm", codeSplitting: false })
  await build.close()
  return output[0].code
}

const configuration = (service: string) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private", "local"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  bindings = [(name = "SEGFORMER_SERVICE_URL", text = ${JSON.stringify(service)})],
  compatibilityDate = "2026-11-01"
);
`

/** Starts the worker; `use` has its address while it is up. */
export const serving = async <A>(
  binary: string,
  input: string,
  use: (url: string) => Promise<A>
): Promise<A> => {
  const code = await bundled(input)
  const folder = mkdtempSync(join(tmpdir(), "segformer-workerd-"))
  const behind = SegFormerServer.make({ port: 0, name: "bundled" }).pipe(
    Effect.provide([Warm.model, NodeFileSystem.layer])
  )
  const inWorker = async (service: string) => {
    writeFileSync(join(folder, "worker.js"), code)
    writeFileSync(join(folder, "config.capnp"), configuration(service))
    const child = spawn(binary, ["serve", "--control-fd=1", join(folder, "config.capnp")], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    try {
      const port = await new Promise<number>((resolve, reject) => {
        let said = ""
        child.stdout.on("data", (chunk: Buffer) => {
          said += String(chunk)
          const found = /"port":(\d+)/.exec(said)?.[1]
          if (found !== undefined) resolve(Number(found))
        })
        child.once("close", () => reject(new Error(`workerd ended before it served:\n${said}`)))
      })
      return await use(`http://127.0.0.1:${port}/api/segformer`)
    } finally {
      child.kill("SIGKILL")
    }
  }
  try {
    return await Effect.runPromise(
      Effect.scoped(Effect.flatMap(behind, ({ url }) => Effect.promise(() => inWorker(url))))
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
