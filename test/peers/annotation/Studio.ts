/** Label Studio as its package starts it, on SQLite, and what its API is asked for. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Redacted, type Scope } from "effect"
import { LabelStudioDialect, SegFormerServer, type SegFormerServerOptions } from "effect-segformer/server"
import * as Python from "../../support/Python.ts"
import * as Warm from "../../support/Warm.ts"
import * as Pictures from "../Pictures.ts"
import * as Process from "../Process.ts"

/** A key of old, which the program gives its first user. */
export const key = "0123456789abcdef0123456789abcdef01234567"

export interface Studio {
  readonly url: string
  /** Where pictures of a local folder lie. */
  readonly folder: string
  /** The answer's JSON; fails where Label Studio refuses. */
  readonly api: <A>(method: string, path: string, body?: unknown) => Promise<A>
  readonly bytes: (path: string) => Promise<Uint8Array>
  /** All that it logged. */
  readonly output: () => string
}

/** What has an id. */
export interface Made {
  readonly id: number
}

/** As its package does before it starts. */
const migrate = `
import os, runpy, sys, label_studio
os.chdir(os.path.dirname(label_studio.__file__))
sys.path.insert(0, os.getcwd())
sys.argv = ["manage.py", "migrate", "--verbosity", "0"]
runpy.run_path("manage.py", run_name="__main__")
`

const environment = (home: string): Readonly<Record<string, string>> => ({
  LABEL_STUDIO_BASE_DATA_DIR: join(home, "data"),
  // Without these two it asks nobody on loopback: for predictions, and for the webhook that it sets up besides.
  ML_BLOCK_LOCAL_IP: "false",
  SSRF_PROTECTION_ENABLED: "false",
  LOCAL_FILES_SERVING_ENABLED: "true",
  LOCAL_FILES_DOCUMENT_ROOT: join(home, "files"),
  SECRET_KEY: "of-the-peers",
  // It asks nobody but us.
  COLLECT_ANALYTICS: "false",
  LATEST_VERSION_CHECK: "false",
  SENTRY_DSN: "",
  FRONTEND_SENTRY_DSN: ""
})

/** An empty database, beside the environment that it is made by. */
const database = (executable: string): string => join(dirname(dirname(executable)), "label_studio.sqlite3")

/** Makes an empty database, for which its hundreds of migrations take minutes on a busy machine. */
export const prepare = (): void => {
  const { executable } = Python.environment("labelstudio")
  if (existsSync(database(executable))) return
  const home = mkdtempSync(join(tmpdir(), "segformer-peers-"))
  try {
    mkdirSync(join(home, "data"))
    const { HOME = "", PATH = "" } = process.env
    const made = spawnSync(executable, ["-c", migrate], {
      encoding: "utf8",
      env: { HOME, PATH, ...environment(home) }
    })
    if (made.status !== 0)
      throw new Error(`Label Studio cannot make its database: ${made.stderr.slice(-2000)}`)
    // Whole or not there: another run may look for it.
    const kept = `${database(executable)}.${process.pid}`
    copyFileSync(join(home, "data", "label_studio.sqlite3"), kept)
    renameSync(kept, database(executable))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

export const start: Effect.Effect<Studio, Error, Scope.Scope> = Effect.gen(function* () {
  const home = yield* Process.folder
  const folder = join(home, "files", "panels")
  mkdirSync(folder, { recursive: true })
  for (const { bytes, name } of Pictures.pictures) writeFileSync(join(folder, name), bytes)
  const { executable } = Python.environment("labelstudio")
  mkdirSync(join(home, "data"))
  copyFileSync(database(executable), join(home, "data", "label_studio.sqlite3"))
  const { output, url } = yield* Process.start({
    command: join(dirname(executable), "label-studio"),
    args: (port) => [
      "start",
      "--no-browser",
      "--internal-host",
      "127.0.0.1",
      "--port",
      String(port),
      "--data-dir",
      join(home, "data"),
      "--enable-legacy-api-token",
      "--user-token",
      key,
      "--username",
      "annotator@example.com",
      "--password",
      "annotator-1"
    ],
    env: () => environment(home),
    ready: "/api/version"
  })
  const asked = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(url + path, {
      ...init,
      headers: { authorization: `Token ${key}`, ...init.headers }
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (!response.ok)
      throw new Error(`${path}: ${response.status} ${new TextDecoder().decode(bytes).slice(0, 400)}`)
    return bytes
  }
  return {
    url,
    folder,
    output,
    api: async <A>(method: string, path: string, body?: unknown) => {
      const isForm = body instanceof FormData
      const bytes = await asked(path, {
        method,
        ...(body === undefined
          ? {}
          : isForm
            ? { body }
            : { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
      })
      const answer: A = JSON.parse(new TextDecoder().decode(bytes) || "{}")
      return answer
    },
    bytes: (path) => asked(path)
  }
})

/** Our server with the model in the box, to which this Label Studio is known. */
export const ours = (
  { url }: Pick<Studio, "url">,
  options: LabelStudioDialect.LabelStudioDialectOptions = {},
  server: SegFormerServerOptions = {}
) =>
  Effect.provide(
    SegFormerServer.make({
      port: 0,
      page: false,
      maxCacheBytes: 64 * 1024 * 1024,
      dialects: [
        LabelStudioDialect.make({ url: new URL(url), key: Redacted.make(key), proxy: false, ...options })
      ],
      ...server
    }),
    [Warm.model, NodeFileSystem.layer]
  )

export const config = (tag: string): string =>
  `<View><Image name="image" value="$image" smoothing="false"/><${tag} name="tag" toName="image">${Pictures.classes
    .slice(1)
    .map(({ name }) => `<Label value="${name}"/>`)
    .join("")}</${tag}></View>`

/** A project with these tags. */
export const project = async ({ api }: Studio, tag: string): Promise<number> =>
  (await api<Made>("POST", "/api/projects", { title: tag, label_config: config(tag) })).id

/** Uploads pictures, each of which becomes a task, in their order. */
export const upload = async ({ api }: Studio, id: number, names: ReadonlyArray<string>) => {
  for (const name of names) {
    const picture = Pictures.pictures.find((one) => one.name === name)
    assert.ok(picture)
    const form = new FormData()
    form.append("file", new Blob([Uint8Array.from(picture.bytes)]), name)
    await api("POST", `/api/projects/${id}/import`, form)
  }
}

const all = {
  selectedItems: { all: true, excluded: [] },
  ordering: [],
  filters: { conjunction: "and", items: [] }
}

/** Connects a server as a model, as a person does in the settings; gives what became of it. */
export const connect = ({ api }: Studio, id: number, url: string, more: object = {}) =>
  api<Made & { readonly readable_state: string }>("POST", "/api/ml", {
    project: id,
    title: "ours",
    url,
    ...more
  })

/** Asks the model for predictions of all tasks. */
export const predict = ({ api }: Studio, id: number) =>
  api("POST", `/api/dm/actions?id=retrieve_tasks_predictions&project=${id}`, all)

export interface Task {
  readonly id: number
  readonly data: { readonly image: string }
  readonly predictions: ReadonlyArray<{
    readonly model_version: string
    readonly score: number | null
    readonly result: ReadonlyArray<{
      readonly from_name: string
      readonly to_name: string
      readonly value: Readonly<Record<string, unknown>>
    }>
  }>
}

/** The tasks as they are stored, by their ids. */
export const tasks = async ({ api }: Studio, id: number): Promise<ReadonlyArray<Task>> => {
  const found: Array<Task> = []
  for (let page = 1; ; page++) {
    const answer = await api<{ readonly tasks: ReadonlyArray<Task>; readonly total: number }>(
      "GET",
      `/api/tasks?project=${id}&fields=all&page_size=100&page=${page}`
    )
    found.push(...answer.tasks)
    if (found.length >= answer.total) break
  }
  return found.sort((a, b) => a.id - b.id)
}

/** Takes what was predicted for what is right, and exports it. */
export const exported = async (studio: Studio, id: number, type: string): Promise<Uint8Array> => {
  await studio.api("POST", `/api/dm/actions?id=predictions_to_annotations&project=${id}`, all)
  return studio.bytes(`/api/projects/${id}/export?exportType=${type}`)
}
