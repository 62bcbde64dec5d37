/**
 * The packed package in a project of its own: what is in it, that it compiles under strict settings, that it runs with
 * and without its optional peers. Run by `npm run test:package`; it installs from the registry.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "segformer-package-"))
const { devDependencies: versions, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const run = (command: string, args: ReadonlyArray<string>, cwd: string) => {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    const output =
      typeof error === "object" && error !== null && "stderr" in error
        ? `${Reflect.get(error, "stdout")}${error.stderr}`
        : error
    console.error(`${command} ${args.join(" ")} failed:\n${output}`)
    process.exit(1)
  }
}
const expect = (what: string, holds: boolean) => {
  console.log(`${holds ? "ok  " : "FAIL"} ${what}`)
  if (!holds) process.exitCode = 1
}

try {
  run("npm", ["run", "build"], root)
  const packed: ReadonlyArray<{ filename: string; files: ReadonlyArray<{ path: string }> }> = JSON.parse(
    run("npm", ["pack", "--json", "--pack-destination", folder], root)
  )
  const [{ filename, files }] = packed as [(typeof packed)[number]]
  const paths = files.map((file) => file.path)
  expect(
    "only dist, README, LICENSE and package.json are packed",
    paths.every((path) => /^(dist\/|README\.md$|LICENSE$|package\.json$)/.test(path))
  )
  expect("the bundled model is packed", paths.includes("dist/onnx/bundled/onnx/model.onnx"))

  const consumer = join(folder, "consumer")
  mkdirSync(consumer)
  const settings = {
    name: "consumer",
    private: true,
    type: "module",
    allowScripts: { "onnxruntime-node": false }
  }
  writeFileSync(join(consumer, "package.json"), JSON.stringify(settings))
  writeFileSync(join(consumer, ".npmrc"), "onnxruntime_node_install=skip\n")
  const install = (...packages: ReadonlyArray<string>) =>
    run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...packages], consumer)
  const at = (name: string) => `${name}@${versions[name]}`
  install(
    join(folder, filename),
    at("effect"),
    at("@effect/platform-node"),
    at("typescript"),
    at("@types/node")
  )

  writeFileSync(
    join(consumer, "core.ts"),
    `import { Effect } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
const program = segment(ImageSource.bytes(Fixtures.image)).pipe(Effect.flatMap((segmentation) => segmentation.labelMap))
const map = await Effect.runPromise(Effect.provide(program, SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))))
console.log(map.width, map.height)
`
  )
  writeFileSync(
    join(consumer, "model.ts"),
    `import { Effect, Layer } from "effect"
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
  )
  const compilerOptions = {
    strict: true,
    target: "ES2023",
    module: "NodeNext",
    outDir: "out",
    skipLibCheck: false,
    types: ["node"]
  }
  writeFileSync(
    join(consumer, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["core.ts", "model.ts"] })
  )
  run(process.execPath, ["node_modules/typescript/bin/tsc"], consumer)
  expect("a strict consumer compiles", true)
  expect("the core runs", run(process.execPath, ["out/core.js"], consumer).trim() === "48 32")
  const without = run(process.execPath, ["out/model.js"], consumer).trim()
  expect(
    `without its optional peers it says what to install: ${without}`,
    /npm install (sharp|onnxruntime-node)/.test(without)
  )
  const command = run(
    process.execPath,
    ["node_modules/effect-segformer/dist/cli/main.js", "--version"],
    consumer
  )
  expect(`the command starts: ${command.trim()}`, command.includes(version))

  install(at("sharp"), at("onnxruntime-node"))
  expect(
    "with them the bundled model runs",
    run(process.execPath, ["out/model.js"], consumer).trim() === "48 32"
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
