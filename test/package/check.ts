/**
 * The packed package in a project of its own: what is in it, that it compiles under strict settings, that it runs with
 * and without its optional peers, under each Node and in a browser's bundle; and what README tells somebody in an empty
 * folder, with each package manager. Run by `npm run test:package`; it installs from the registry.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Bundle from "./Bundle.ts"
import * as Consumer from "./Consumer.ts"
import * as Contents from "./Contents.ts"
import { expect, root, run, version } from "./Consumer.ts"
import * as FirstProgram from "./FirstProgram.ts"
import * as Lambda from "./Lambda.ts"
import * as ImportCost from "./ImportCost.ts"
import * as Manners from "./Manners.ts"
import * as Nodes from "./Nodes.ts"
import * as OtherBundlers from "./OtherBundlers.ts"
import { checkTemplate } from "./Template.ts"

const folder = mkdtempSync(join(tmpdir(), "segformer-package-"))

const core = `import { Effect } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
const program = segment(ImageSource.bytes(Fixtures.image)).pipe(Effect.flatMap((segmentation) => segmentation.labelMap))
const map = await Effect.runPromise(Effect.provide(program, SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))))
console.log(map.width, map.height)
`

const model = `import { Effect, Layer } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
const program = segment(ImageSource.bytes(Fixtures.image)).pipe(Effect.flatMap((segmentation) => segmentation.labelMap))
const result = await Effect.runPromise(
  Effect.result(Effect.provide(program, SegFormerOnnx.layer().pipe(Layer.provide(SharpCodec.layer))))
)
console.log(result._tag === "Success" ? \`\${result.success.width} \${result.success.height}\` : result.failure.message)
`

const compilerOptions = {
  strict: true,
  target: "ES2023",
  module: "NodeNext",
  outDir: "out",
  skipLibCheck: false,
  types: ["node"]
}

const failureOf = (what: () => string): Error => {
  try {
    return new Error(`it did not fail, and printed:\n${what()}`)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

try {
  // As in a clean clone.
  rmSync(join(root, "dist"), { recursive: true, force: true })
  run("npm", ["pack", "--pack-destination", folder], root)
  const tarball = join(folder, `effect-segformer-${version}.tgz`)
  Contents.check(tarball)
  const { dependencies, scripts }: { dependencies: object; scripts: Record<string, string> } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8")
  )
  expect(
    "it has one dependency and runs nothing when it is installed",
    Object.keys(dependencies).length === 1 &&
      !Object.keys(scripts).some((name) => /^(pre|post)?(install|prepare)$/.test(name))
  )
  await Manners.check(tarball)

  const consumer = Consumer.make(join(folder, "consumer"), tarball)
  consumer.write("core.ts", core)
  consumer.write("model.ts", model)
  consumer.write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["core.ts", "model.ts"] }))
  consumer.node("node_modules/typescript/bin/tsc")
  expect("a strict consumer compiles", true)
  expect("the core runs", consumer.node("out/core.js").trim() === "48 32")
  const without = consumer.node("out/model.js").trim()
  expect(
    `without its optional peers it says what to install: ${without}`,
    without.endsWith("npm install sharp onnxruntime-node")
  )
  for (const name of ["segment", "tile"]) {
    const { message } = failureOf(() =>
      consumer.node(
        "node_modules/effect-segformer/dist/cli/main.js",
        name,
        "node_modules/effect-segformer/docs/images/sample.jpg"
      )
    )
    expect(
      `so does segformer ${name}, in one line for both`,
      message.trim().endsWith("npm install sharp onnxruntime-node")
    )
  }
  const command = consumer.node("node_modules/effect-segformer/dist/cli/main.js", "--version").trim()
  expect(`the command starts: ${command}`, command.includes(version))
  ImportCost.check(consumer)
  await Bundle.check(consumer)
  await OtherBundlers.check(folder, tarball)
  Nodes.check(consumer)
  Lambda.check(folder, tarball)
  checkTemplate(folder, tarball)
  await FirstProgram.check(folder, tarball)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
