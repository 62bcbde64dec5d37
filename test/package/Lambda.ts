/** The folder that goes to AWS Lambda: the example's handler with what it needs installed, its bytes counted, and called as Lambda calls it. */
import { lstatSync, mkdirSync, readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { transformSync } from "esbuild"
import { at, expect, root, run } from "./Consumer.ts"
import * as Consumer from "./Consumer.ts"

/** Of a function, unpacked. */
const most = 250_000_000

const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { name, parentPath }) => sum + lstatSync(join(parentPath, name)).size, 0)

const call = `import { readFileSync } from "node:fs"
const { handler } = await import("./lambda.mjs")
const event = (method, path, body) => ({
  rawPath: "/api/segformer" + path,
  headers: { "content-type": "image/jpeg" },
  requestContext: { http: { method }, domainName: "abc.lambda-url.eu-north-1.on.aws" },
  ...(body === undefined ? {} : { body: body.toString("base64"), isBase64Encoded: true })
})
const context = { getRemainingTimeInMillis: () => 600_000 }
const image = readFileSync("node_modules/effect-segformer/docs/images/sample.jpg")
const { body, isBase64Encoded, statusCode } = await handler(event("POST", "/v1/segment", image), context)
const { height, regions, width } = JSON.parse(Buffer.from(body, isBase64Encoded ? "base64" : "utf8").toString())
console.log(JSON.stringify({ statusCode, width, height, regions: regions.length }))
process.exit(0)
`

export const check = (parent: string, tarball: string): void => {
  const folder = join(parent, "lambda")
  mkdirSync(folder)
  const project = Consumer.files(folder)
  run(
    "npm",
    [
      "install",
      "--no-audit",
      "--no-fund",
      "--ignore-scripts",
      "--omit=dev",
      tarball,
      at("effect"),
      at("@effect/platform-node"),
      at("onnxruntime-web"),
      at("@jsquash/jpeg")
    ],
    folder
  )
  for (const name of ["lambda", "segmenter"]) {
    const source = readFileSync(join(root, `docs/examples/web/${name}.ts`), "utf8")
    const { code } = transformSync(source, { loader: "ts", format: "esm" })
    project.write(`${name}.mjs`, code.replace('"./segmenter.ts"', '"./segmenter.mjs"'))
  }
  const bytes = bytesIn(folder)
  const parts = Object.entries({
    "onnxruntime-web": bytesIn(join(folder, "node_modules/onnxruntime-web")),
    effect: bytesIn(join(folder, "node_modules/effect")),
    "effect-segformer": bytesIn(join(folder, "node_modules/effect-segformer"))
  }).map(([name, size]) => `${name} ${(size / 1e6).toFixed(0)}`)
  expect(
    `the folder of a function on Lambda is ${(bytes / 1e6).toFixed(0)} MB (${parts.join(", ")}; at most ${most / 1e6})`,
    bytes <= most
  )
  project.write("call.mjs", call)
  // Its log goes before it.
  const answered = project.node("call.mjs").trim().split("\n").at(-1) ?? ""
  expect(
    `it answers an event as Lambda gives it: ${answered}`,
    /^\{"statusCode":200,"width":\d+,"height":\d+,"regions":\d+\}$/.test(answered)
  )
}
