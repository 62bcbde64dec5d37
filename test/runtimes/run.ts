/**
 * `npm run test:runtimes`: the same program, its source unchanged, in Node by the binary and in WebAssembly, in Bun, in Deno, in
 * Chromium and through the web handler. It gives equal label maps for ten pictures in each. And what runs anywhere, by its own
 * examples, in Bun and Deno as in Node; and the servers of both around the handler.
 *
 * Bun, Deno and workerd are binaries: they are installed on first use, into a folder of their own and from its own lock.
 */
import { execFile, execFileSync, spawn } from "node:child_process"
import { cpSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { isDeepStrictEqual } from "node:util"
import { Effect } from "effect"
import * as BrowserBundle from "../support/BrowserBundle.ts"
import * as Needs from "../support/Needs.ts"
import { serveFolders } from "../support/StaticServer.ts"
import * as Warm from "../support/Warm.ts"
import * as Examples from "./examples.ts"
import type { Labels } from "./labels.ts"
import * as Workerd from "./workerd.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const here = join(root, "test/runtimes")
const binaries = join(here, "binaries")

/** Minutes that one program may take: only what hangs meets it. */
const patience = 10 * 60_000 * Number(process.env["SEGFORMER_TEST_PATIENCE"] ?? 1)

if (!existsSync(join(binaries, "node_modules/workerd"))) {
  console.log("Installing Bun, Deno and workerd (once) ...")
  // Their scripts only put the binary where a command looks for it.
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: binaries,
    stdio: ["ignore", "ignore", "inherit"]
  })
}

const binary = (pattern: string): string => {
  const [found] = globSync(join(binaries, "node_modules", pattern))
  if (found === undefined)
    throw new Error(`There is no ${pattern} in ${binaries}: its package has none for this platform`)
  return found
}

const condition = "effect-segformer-source"

/** How each runs a module of ours from its sources. */
const runtimes = {
  Node: [process.execPath, "-C", condition],
  Bun: [binary("@oven/bun-*/bin/bun"), `--conditions=${condition}`],
  Deno: [binary("@deno/*/deno"), "run", "-A", `--conditions=${condition}`]
} as const

type Runtime = keyof typeof runtimes

let failed = 0
const expect = (what: string, problem?: string): void => {
  console.log(
    `${problem === undefined ? "ok  " : "FAIL"} ${what}${problem === undefined ? "" : `\n     ${problem}`}`
  )
  if (problem !== undefined) failed++
}

/** Runs a module to its end; gives the last line that it prints, which is JSON. */
const printed = (runtime: Runtime, ...args: ReadonlyArray<string>): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const [command = "", ...first] = runtimes[runtime]
    execFile(
      command,
      [...first, ...args],
      { cwd: root, timeout: patience, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        const line = stdout.trim().split("\n").at(-1) ?? ""
        try {
          if (error !== null) throw error
          resolve(JSON.parse(line))
        } catch (cause) {
          reject(new Error(`${runtime} ${args.join(" ")}: ${String(cause)}\n${stdout}\n${stderr}`))
        }
      }
    )
  })

/** Starts a server, which says where it is; `use` has it while it is up. */
const serving = async <A>(runtime: Runtime, file: string, use: (url: string) => Promise<A>): Promise<A> => {
  const [command = "", ...first] = runtimes[runtime]
  const child = spawn(command, [...first, file], {
    cwd: root,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"]
  })
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let said = ""
      child.stdout.on("data", (chunk: Buffer) => {
        said += String(chunk)
        const found = /at (http:\S+)/.exec(said)?.[1]
        if (found !== undefined) resolve(found)
      })
      child.once("close", () => reject(new Error(`${runtime} ${file} ended before it served:\n${said}`)))
    })
    return await use(url)
  } finally {
    child.kill("SIGKILL")
  }
}

const inChromium = (pictures: string): Promise<unknown> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const site = yield* BrowserBundle.site(join(here, "browser.ts"))
        const origin = yield* serveFolders({ "/pictures/": pictures, "/": site })
        const browser = yield* Warm.browser
        return yield* Effect.promise(async () => {
          const page = await browser.newPage()
          page.setDefaultTimeout(patience)
          await page.goto(`${origin}/`)
          await page.waitForFunction(() => "labels" in window)
          return page.evaluate((names) => window.labels(names), readdirSync(pictures).toSorted())
        })
      })
    )
  )

/** What a client of `fetch` gets of a server: its health, a label map, a refusal. */
const asked = async (url: string, picture: string): Promise<string | undefined> => {
  const health = await fetch(`${url}/health`)
  if (health.status !== 200) return `its health is ${health.status}`
  const image = readFileSync(picture)
  const found = await fetch(`${url}/v1/segment`, { method: "POST", body: image })
  if (found.status !== 200) return `/v1/segment answers ${found.status}: ${await found.text()}`
  const json: unknown = await found.json()
  if (typeof json !== "object" || json === null || !("regions" in json)) return "its answer has no regions"
  const none = await fetch(`${url}/v1/segment`, { method: "POST", body: "no picture" })
  if (none.status !== 400) return `a text is answered by ${none.status}`
  const large = await fetch(`${url}/v1/segment`, { method: "POST", body: new Uint8Array(100 << 20) })
  return large.status === 413 ? undefined : `100 MB are answered by ${large.status}`
}

const attempt = async (what: string, run: () => Promise<string | undefined>): Promise<void> => {
  try {
    expect(what, await run())
  } catch (error) {
    expect(what, error instanceof Error ? error.message : String(error))
  }
}

const folder = mkdtempSync(join(tmpdir(), "segformer-runtimes-"))
const examples = "test/.examples"
try {
  const heldOut = join(root, "test/fixtures/heldout")
  const names = readdirSync(heldOut)
    .filter((name) => name.endsWith(".jpg"))
    .toSorted()
    .slice(0, 10)
  for (const name of names) cpSync(join(heldOut, name), join(folder, name))

  const main = "test/runtimes/main.ts"
  const binaryLabels = await printed("Node", main, "native", folder)
  const count = Object.keys(binaryLabels as Labels).length
  expect(`Node, by the binary: ${count} label maps`, count === 10 ? undefined : "there should be ten")
  const same = (what: string, run: () => Promise<unknown>) =>
    attempt(`${what}: the same`, async () => {
      const found = await run()
      return isDeepStrictEqual(found, binaryLabels)
        ? undefined
        : `other maps: ${JSON.stringify(found)}\n     where the binary has ${JSON.stringify(binaryLabels)}`
    })
  await same("Node, in WebAssembly", () => printed("Node", main, "wasm", folder))
  await same("Node, through the web handler", () => printed("Node", main, "handler", folder))
  await same("Deno, by the binary", () => printed("Deno", main, "native", folder))
  for (const runtime of ["Bun", "Deno"] as const) {
    await same(`${runtime}, in WebAssembly`, () => printed(runtime, main, "wasm", folder))
    await same(`${runtime}, through the web handler`, () => printed(runtime, main, "handler", folder))
  }
  await attempt("Bun, by the binary: refused, and told what to do", async () => {
    const refusal = await printed("Bun", main, "native", folder).then(
      (found) => `it answers: ${JSON.stringify(found)}`,
      String
    )
    return /under Bun a process has no pipe.*Run this by Node/.test(refusal) ? undefined : refusal
  })
  if (Needs.chromium === undefined) expect("Chromium", "there is none on this machine")
  else await same("Chromium, in a worker", () => inChromium(folder))

  const { count: written, program } = Examples.write(root, examples)
  for (const runtime of ["Node", "Bun", "Deno"] as const) {
    await attempt(`${runtime}: ${written} examples of what runs anywhere`, async () => {
      const found = await printed(runtime, program)
      return isDeepStrictEqual(found, { held: written, of: written }) && written > 50
        ? undefined
        : `held: ${JSON.stringify(found)}`
    })
  }
  for (const [runtime, file] of [
    ["Bun", "docs/examples/web/bun.ts"],
    ["Deno", "docs/examples/web/deno.ts"]
  ] as const) {
    await attempt(`${runtime}'s own server around the handler: health, a map, refusals`, () =>
      serving(runtime, file, (url) => asked(url, join(folder, names[0]!)))
    )
  }
  await attempt("workerd, as Cloudflare runs workers, before a service: health, a map, refusals", () =>
    Workerd.serving(
      binary("@cloudflare/workerd-*/bin/workerd"),
      join(root, "docs/examples/web/worker.ts"),
      (url) => asked(url, join(folder, names[0]!))
    )
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
  rmSync(join(root, examples), { recursive: true, force: true })
}
// The browser that was asked is this process's own.
process.exit(failed === 0 ? 0 : 1)
