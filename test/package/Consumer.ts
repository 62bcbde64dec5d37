/** A project of its own that has the packed package, as a user's has. */
import { execFileSync, execSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** What this project has installed. */
export const {
  devDependencies: versions,
  version
}: { devDependencies: Record<string, string>; version: string } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8")
)

/**
 * The environment of a user's shell: without what npm tells the scripts of this project, with this Node as `node`, and with
 * `folders` before it.
 */
export const environment = (
  more: Record<string, string> = {},
  folders: ReadonlyArray<string> = []
): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|config_(local_prefix|onnxruntime))|INIT_CWD$|NODE_OPTIONS$)/i.test(name)
  )
  const isOfProject = (path: string) => path.startsWith(root) || path.includes("node-gyp-bin")
  const rest = (process.env["PATH"] ?? "").split(delimiter).filter((path) => !isOfProject(path))
  return {
    ...Object.fromEntries(own),
    PATH: [...folders, dirname(process.execPath), ...rest].join(delimiter),
    ...more
  }
}

const failed = (what: string, error: unknown): Error => {
  const output =
    typeof error === "object" && error !== null && "stderr" in error
      ? `${Reflect.get(error, "stdout")}${error.stderr}`
      : error
  return new Error(`${what} failed:\n${output}`)
}

/** Runs a command and gives what it prints; where it fails, the error has everything. */
export const run = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    throw failed([command, ...args].join(" "), error)
  }
}

/** Runs what somebody types. */
export const shell = (line: string, cwd: string, env: NodeJS.ProcessEnv): string => {
  try {
    return execSync(line, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    throw failed(line, error)
  }
}

/** One line of the check's report. */
export const expect = (what: string, holds: boolean): void => {
  console.log(`${holds ? "ok  " : "FAIL"} ${what}`)
  if (!holds) process.exitCode = 1
}

export interface Consumer {
  readonly folder: string
  readonly install: (...packages: ReadonlyArray<string>) => void
  readonly write: (file: string, text: string) => void
  /** Runs a file of the project with a Node: this one's unless told otherwise. */
  readonly node: (file: string, ...args: ReadonlyArray<string>) => string
}

/** The package at the version this project has of it. */
export const at = (name: string): string => `${name}@${versions[name]}`

/** A line that installs, with what this project has for what the registry has. */
export const pinned = (line: string, tarball: string): string =>
  line
    .split(" ")
    .map((word) =>
      word === "effect-segformer" ? `${word}@file:${tarball}` : word in versions ? at(word) : word
    )
    .join(" ")

/** A new project in a folder, with nothing installed. */
export const files = (folder: string): Pick<Consumer, "write" | "node"> => {
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text)
  write(
    "package.json",
    JSON.stringify({
      name: "consumer",
      private: true,
      type: "module",
      allowScripts: { "onnxruntime-node": false }
    })
  )
  write(".npmrc", "onnxruntime_node_install=skip\n")
  return { write, node: (file, ...args) => run(process.execPath, [file, ...args], folder) }
}

export const make = (folder: string, tarball: string): Consumer => {
  mkdirSync(folder)
  const project = files(folder)
  const install = (...packages: ReadonlyArray<string>) =>
    void run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...packages], folder)
  install(tarball, at("effect"), at("@effect/platform-node"), at("typescript"), at("@types/node"))
  return { ...project, folder, install }
}
