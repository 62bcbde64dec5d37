/**
 * What README tells somebody in an empty folder, done with each package manager: its commands and its programs are taken
 * from its text. Only versions, the port of the service and the tarball in the package's place are put in.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { blocksOf } from "../docs/Markdown.ts"
import { environment, expect, pinned, root, run, shell, version } from "./Consumer.ts"

const readme = readFileSync(join(root, "README.md"), "utf8")
const section = readme.slice(readme.indexOf("## A first program"))
const [prepare = "", use = ""] = blocksOf(section, "sh")
const [program = "", embedded = ""] = blocksOf(section, "ts")

interface Manager {
  readonly name: string
  /** What its user writes where README has npm's words, as README says. */
  readonly words: ReadonlyArray<readonly [RegExp, string]>
  /** Files that the project begins with. */
  readonly files?: Record<string, string>
}

const yarn = (name: string, nodeLinker: string): Manager => ({
  name,
  words: [
    [/^npm install (.*)/m, "yarn add $1 redis"],
    [/^npx /m, "yarn "],
    [/^node /m, "yarn node "]
  ],
  files: { ".yarnrc.yml": `nodeLinker: ${nodeLinker}\n` }
})

const managers: ReadonlyArray<Manager> = [
  { name: "npm", words: [] },
  {
    name: "pnpm",
    words: [
      [/^npm install /m, "pnpm add --ignore-scripts "],
      [/^npx /m, "pnpm exec "]
    ]
  },
  yarn("Yarn, node_modules", "node-modules"),
  yarn("Yarn, Plug'n'Play", "pnp")
]

/** Package managers that npm does not bring, at versions that are known to work. */
const tools = ["pnpm@12.21.0", "@yarnpkg/cli-dist@4.18.1"]

interface Service {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** Starts a service, which is there once it says where. */
const serve = (command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Service> =>
  new Promise((resolve, reject) => {
    // A group of its own: package managers stand between this process and the service.
    const child = spawn(command, { cwd, env, shell: true, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    const ended = new Promise<void>((done) => child.once("close", () => done()))
    const stop = async () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM")
      await ended
    }
    let said = ""
    const listen = (chunk: Buffer) => {
      said += String(chunk)
      const url = /Serving .* at (http:\S+)/.exec(said)?.[1]
      if (url !== undefined) resolve({ url, stop })
    }
    child.stdout.on("data", listen)
    child.stderr.on("data", listen)
    void ended.then(() => reject(new Error(`${command} ended before it served:\n${said}`)))
  })

/** Whether both list the same regions, by the same names. */
const same = (served: string, found: string): boolean => {
  const lines = (text: string) => text.trim().split("\n").toSorted().join("\n")
  return found.trim() !== "" && lines(served) === lines(found)
}

const checkOne = async (manager: Manager, folder: string, tarball: string, env: NodeJS.ProcessEnv) => {
  const translate = (line: string) =>
    manager.words.reduce((text, [word, other]) => text.replace(word, other), line)
  const sh = (line: string) => shell(translate(line), folder, env)
  const label = (what: string) => `${manager.name}: ${what}`
  mkdirSync(folder)
  for (const [file, text] of Object.entries(manager.files ?? {})) writeFileSync(join(folder, file), text)

  for (const line of prepare.trim().split("\n"))
    sh(line.startsWith("npm install ") ? pinned(translate(line), tarball) : line)
  const [start = "", ask = ""] = use.trim().split("\n")
  const service = await serve(translate(start.replace(/ +#.*$/, " --port 0")), folder, env)
  let served = ""
  try {
    writeFileSync(join(folder, "segment.ts"), program.replace("http://127.0.0.1:8080", service.url))
    served = sh(ask)
  } finally {
    await service.stop()
  }
  expect(label("README's first program finds what segformer serve finds"), /^scratch 2920$/m.test(served))

  writeFileSync(
    join(folder, "embedded.ts"),
    embedded + program.replace(/Effect\.provide\(SegFormerHttp.*\),/, "Effect.provide(embedded),")
  )
  const found = sh("node embedded.ts")
  expect(label("the model in the box finds the same"), same(served, found))

  expect(label("segformer --version"), sh("npx segformer --version").includes(version))
  sh("npx segformer segment panel.jpg --quiet")
  expect(label("segformer segment"), existsSync(join(folder, "segformer-out/panel.overlay.png")))
  sh("npx segformer tile panel.jpg --quiet")
  expect(label("segformer tile"), existsSync(join(folder, "panel.labels.tif")))
  mkdirSync(join(folder, "photos"))
  writeFileSync(join(folder, "photos/panel.jpg"), readFileSync(join(folder, "panel.jpg")))
  sh("npx segformer batch photos --out found")
  expect(label("segformer batch"), existsSync(join(folder, "found/panel.jpg.labels.png")))
}

export const check = async (folder: string, tarball: string): Promise<void> => {
  mkdirSync(join(folder, "tools"))
  run("npm", ["install", "--prefix", join(folder, "tools"), "--no-audit", "--no-fund", ...tools], folder)
  const registry = run("npm", ["config", "get", "registry"], folder).trim().replace(/\/$/, "")
  const env = environment(
    {
      // What README says for networks that end at the registry.
      ONNXRUNTIME_NODE_INSTALL: "skip",
      npm_config_audit: "false",
      npm_config_fund: "false",
      YARN_NPM_REGISTRY_SERVER: registry,
      YARN_ENABLE_TELEMETRY: "0",
      YARN_ENABLE_IMMUTABLE_INSTALLS: "0",
      // Both ways of Yarn share it, and it goes with this check.
      YARN_GLOBAL_FOLDER: join(folder, "yarn-global")
    },
    [join(folder, "tools/node_modules/.bin")]
  )
  for (const [index, manager] of managers.entries()) {
    await checkOne(manager, join(folder, `first-${index}`), tarball, env)
  }
}
