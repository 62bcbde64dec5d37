/** The packed package under the versions of Node that it is said to run on. */
import { join } from "node:path"
import { at, type Consumer, expect, run } from "./Consumer.ts"

const others = [22, 26]

export const check = (consumer: Consumer): void => {
  const platform = process.platform === "win32" ? "win" : process.platform
  const binary = `node-${platform}-${process.arch}`
  consumer.install(
    ...others.map((major) => `node-${major}@npm:${binary}@${major}`),
    at("sharp"),
    at("onnxruntime-node")
  )
  const file = process.platform === "win32" ? "node.exe" : "bin/node"
  const nodes = [
    process.execPath,
    ...others.map((major) => join(consumer.folder, "node_modules", `node-${major}`, file))
  ]
  for (const node of nodes) {
    const version = run(node, ["--version"], consumer.folder).trim()
    expect(
      `the core runs under Node ${version}`,
      run(node, ["out/core.js"], consumer.folder).trim() === "48 32"
    )
    expect(
      `the bundled model runs under Node ${version}`,
      run(node, ["out/model.js"], consumer.folder).trim() === "48 32"
    )
  }
}
