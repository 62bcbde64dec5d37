/** The core with the HTTP client, bundled for a browser: what it weighs beside Effect, and that it needs nothing of Node. */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"
import { type Consumer, expect } from "./Consumer.ts"

/** Compressed, of what a page loads first, without Effect. */
const limit = 25 * 1024

const program = `import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
export const program = (bytes) => segment(ImageSource.bytes(bytes))
export const layer = SegFormerHttp.layer({ baseUrl: "https://segformer.example" })
`

const bundle = async (consumer: Consumer, name: string, text: string, external: ReadonlyArray<RegExp>) => {
  consumer.write(name, text)
  const warnings: Array<string> = []
  const build = await rolldown({
    input: join(consumer.folder, name),
    platform: "browser",
    external: [...external],
    onLog: (_, log) => warnings.push(log.message)
  })
  const { output } = await build.generate({ format: "esm", minify: true })
  await build.close()
  const chunks = output.filter((each) => each.type === "chunk")
  const size = (code: string) => gzipSync(code, { level: 9 }).length
  return {
    first: chunks.filter((chunk) => chunk.isEntry).reduce((sum, { code }) => sum + size(code), 0),
    later: chunks.filter((chunk) => !chunk.isEntry).reduce((sum, { code }) => sum + size(code), 0),
    imports: chunks.flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports]),
    warnings
  }
}

export const check = async (consumer: Consumer): Promise<void> => {
  const effect = [/^effect($|\/)/]
  const core = await bundle(consumer, "browser.js", program, effect)
  const kB = (bytes: number) => `${(bytes / 1024).toFixed(1)} kB`
  expect(
    `in a browser the core and the HTTP client are ${kB(core.first)} compressed beside Effect, and ${kB(core.later)} once a mask is unpacked`,
    core.first <= limit
  )
  const whole = await bundle(consumer, "whole.js", program, [])
  expect(
    `nothing of Node is left in it${[...whole.imports, ...whole.warnings].map((each) => `\n     ${each}`).join("")}`,
    whole.warnings.length === 0 && whole.imports.every((each) => each.endsWith(".js"))
  )
  const one = await bundle(
    consumer,
    "one.js",
    'import { Rle } from "effect-segformer/mask"\nexport const encode = Rle.encode\n',
    effect
  )
  expect(`one module alone is ${kB(one.first)}`, one.first < core.first / 5)
}
