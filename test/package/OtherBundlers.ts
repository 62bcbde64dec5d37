/** What the guide of the browser says for bundlers that do not find workers by themselves, done with esbuild in a project of its own. */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { chromium } from "playwright-core"
import { blocksOf } from "../docs/Markdown.ts"
import * as Needs from "../support/Needs.ts"
import { serveFolders } from "../support/StaticServer.ts"
import * as Consumer from "./Consumer.ts"
import { at, environment, expect, root, shell } from "./Consumer.ts"

const guide = readFileSync(join(root, "docs/guides/browser.md"), "utf8")
const [, commands = ""] = blocksOf(guide, "sh")
const [program = "", layer = ""] = blocksOf(guide, "ts")
const [html = ""] = blocksOf(guide, "html")

/** The guide's program over the guide's other layer. */
const main = program.replace(
  /^const model = .*$/m,
  layer.replaceAll(/^import .*\n/gm, "").replace("export const own", "const model")
)

export const check = async (parent: string, tarball: string): Promise<void> => {
  if (Needs.chromium === undefined) return console.log("left out: a page by esbuild, for want of a browser")
  const folder = join(parent, "esbuild")
  mkdirSync(folder)
  const project = Consumer.files(folder)
  const packages = [tarball, ...["effect", "onnxruntime-web", "esbuild"].map(at)].join(" ")
  const env = environment()
  shell(`npm install --no-audit --no-fund --ignore-scripts ${packages}`, folder, env)
  project.write("main.ts", main)
  shell(commands, folder, env)
  project.write("out/index.html", html.replace("main.ts", "main.js"))
  copyFileSync(join(root, "test/fixtures/heldout/000.jpg"), join(folder, "out/picture.jpg"))
  const said = await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const origin = yield* serveFolders({ "/": join(folder, "out") })
        return yield* Effect.promise(async () => {
          const browser = await chromium.launch({ executablePath: Needs.chromium!, args: ["--no-sandbox"] })
          const page = await browser.newPage()
          await page.goto(origin)
          const before = await page.textContent("output")
          await page.setInputFiles("input", join(folder, "out/picture.jpg"))
          await page.waitForFunction((before) => document.querySelector("output")!.value !== before, before)
          const text = await page.textContent("output")
          await browser.close()
          return text
        })
      })
    )
  )
  expect(
    `a page by esbuild, as the guide has it, segments: ${said}`,
    said?.startsWith("332 x 313 pixels: background") === true
  )
}
