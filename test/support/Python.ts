/**
 * One Python environment for the suites that compare with what others wrote (`test:truth` and its like): made once from
 * pinned requirements, kept outside the checkout, used again by every clone on the machine.
 *
 * ```ts
 * const python = Python.environment("truth")
 * python.run(script, [folder]) // => what the script prints
 * ```
 *
 * `test/python/NAME.txt` holds the requirements of a name. An environment is kept by what is in them, so that another
 * version of the list is another folder. `SEGFORMER_TEST_PYTHON` is a folder to keep them in; by default the user's cache.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const lists = fileURLToPath(new URL("../python/", import.meta.url))

/** Pythons whose wheels the pinned versions have. */
const oldest = [3, 11] as const

export interface Python {
  /** The interpreter of the environment. */
  readonly executable: string
  /** Runs a script to its end and gives what it prints; throws with what it complains of. */
  readonly run: (script: string, args?: ReadonlyArray<string>) => string
}

const cache = (): string =>
  process.env["SEGFORMER_TEST_PYTHON"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-segformer", "python")

/** The environment of a list of requirements, made where it is not there yet. */
export const environment = (name: string): Python => {
  const list = join(lists, `${name}.txt`)
  const { command, version } = interpreter()
  const key = createHash("sha256").update(version).update(readFileSync(list)).digest("hex").slice(0, 12)
  const folder = join(cache(), `${name}-${key}`)
  const executable = join(
    folder,
    ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"])
  )
  if (!isWhole(folder)) make(folder, list, command, executable)
  return {
    executable,
    run: (script, args = []) => {
      const ended = spawnSync(executable, [script, ...args], {
        encoding: "utf8",
        maxBuffer: 1 << 30,
        stdio: ["ignore", "pipe", "pipe"]
      })
      if (ended.status !== 0)
        throw new Error(
          `${script} ended with ${ended.status ?? ended.signal ?? ended.error?.message}:\n${ended.stderr}`
        )
      return ended.stdout
    }
  }
}

/** Written last: an environment whose making was cut short is made anew. */
const whole = "whole.txt"
const isWhole = (folder: string): boolean => existsSync(join(folder, whole))

const interpreter = (): { readonly command: string; readonly version: string } => {
  for (const command of ["python3", "python"]) {
    const { status, stdout } = spawnSync(
      command,
      ["-c", "import sys, platform; print('.'.join(map(str, sys.version_info[:3])), platform.machine())"],
      { encoding: "utf8" }
    )
    if (status !== 0) continue
    const [major = 0, minor = 0] = stdout.split(".").map((part) => Number.parseInt(part, 10))
    if (major === oldest[0] && minor >= oldest[1]) return { command, version: stdout.trim() }
  }
  throw new Error(
    `There is no Python ${oldest.join(".")} or newer. Install python3 and python3-venv (apt-get install python3 python3-venv), ` +
      "and run the suite again"
  )
}

/** Two suites that start at once: one makes it, the other waits. */
const make = (folder: string, list: string, command: string, executable: string): void => {
  mkdirSync(cache(), { recursive: true })
  const lock = `${folder}.lock`
  while (!take(lock)) {
    if (isWhole(folder)) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
  }
  try {
    if (isWhole(folder)) return
    rmSync(folder, { recursive: true, force: true })
    console.warn(
      `Making the Python environment of ${list} in ${folder} (once; it is fetched from the package index) ...`
    )
    const venv = spawnSync(command, ["-m", "venv", folder], { encoding: "utf8" })
    if (venv.status !== 0) {
      throw new Error(
        `${command} cannot make an environment: ${venv.stderr.trim() || venv.stdout.trim()}\n` +
          "On Debian and its like: apt-get install python3-venv"
      )
    }
    // A list is whole, as `pip freeze` gives it; one that says so leaves out what its packages ask for.
    const alone = /^# pip install --no-deps\b/m.test(readFileSync(list, "utf8")) ? ["--no-deps"] : []
    const install = ["-m", "pip", "install", "--quiet", "--retries", "2", "--only-binary", ":all:"]
    const pip = spawnSync(executable, [...install, ...alone, "--requirement", list], {
      encoding: "utf8",
      maxBuffer: 1 << 28
    })
    if (pip.status !== 0) throw new Error(refusal(list, pip.stderr))
    writeFileSync(join(folder, whole), readFileSync(list))
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  } finally {
    rmSync(lock, { force: true })
  }
}

/** Which package could not be had, from pip's complaints. @internal */
export const refusal = (list: string, complaints: string): string => {
  const missing =
    /(?:No matching distribution found for|Could not find a version that satisfies the requirement) ([^\s(]+)/.exec(
      complaints
    )?.[1]
  const offline =
    /Connection|Name or service not known|Temporary failure in name resolution|timed out|ProxyError/i.test(
      complaints
    )
  const what =
    missing === undefined
      ? "The packages could not be installed"
      : `The Python package ${missing} could not be had`
  const why = offline
    ? "the package index was not reached. Run the suite where it is, once: the environment is kept"
    : complaints
        .split("\n")
        .filter((line) => /^\s*ERROR/.test(line))
        .join("\n")
        .trim() || complaints.trim().slice(-2000)
  return `${what} (${list}): ${why}`
}

const take = (lock: string): boolean => {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" })
    return true
  } catch {
    if (!isRunning(lock)) rmSync(lock, { force: true })
    return false
  }
}

/** Whether who holds a lock is still there. */
const isRunning = (lock: string): boolean => {
  try {
    process.kill(Number(readFileSync(lock, "utf8")), 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}
