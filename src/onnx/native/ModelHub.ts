/**
 * Models of the Hugging Face Hub, downloaded on first use into the user's cache and checked against the Hub's sizes
 * and digests. A download that breaks is taken up where it ended, by this process or the next.
 *
 * | variable | meaning | default |
 * |---|---|---|
 * | `HF_ENDPOINT` | a mirror | `https://huggingface.co` |
 * | `HF_TOKEN` | for models that are not public; sent to the endpoint only, never printed | none |
 * | `HF_HUB_OFFLINE` | `1`: use the cache, ask nobody | off |
 * | `SEGFORMER_CACHE` | where models are kept | `effect-segformer` in the user's cache folder |
 *
 * A model is kept per commit, so that a branch that moves on leaves what is there as it is.
 */
import { homedir } from "node:os"
import { dirname, join, posix } from "node:path"
import { Config, Effect, FileSystem, Option, Redacted } from "effect"
import type { HttpClient } from "effect/http"
import * as WholeFile from "../../files/WholeFile.ts"
import * as Policy from "../../policy/Policy.ts"
import type { PolicyError } from "../../policy/PolicyError.ts"
import * as PolicyRunner from "../../policy/PolicyRunner.ts"
import * as Variable from "../../policy/Variable.ts"
import { ModelNotLoadable } from "../../SegmentationError.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as HubFile from "./HubFile.ts"
import type * as Model from "../Model.ts"
import * as WeightFiles from "../WeightFiles.ts"
import * as ModelFolder from "./ModelFolder.ts"
import type { SpanName } from "../../TelemetryNames.ts"

export interface HubOptions {
  /** A branch, tag or commit. `main` by default. */
  readonly revision?: string | undefined
  /** The folder that models are kept in. `SEGFORMER_CACHE`, or the user's cache, by default. */
  readonly cache?: string | undefined
  /** Told as bytes of a file come. */
  readonly onProgress?: HubFile.OnProgress | undefined
}

type Failure = ModelNotLoadable | ServiceError | PolicyError

/** Breaks in the middle are the rule with large files, and each attempt goes on where the last one ended. */
const policy = Policy.make({
  attemptTimeout: "1 hour",
  breaker: false,
  retryBudget: false,
  retry: { times: 5 }
})

const cacheFolder = Effect.gen(function* () {
  const own = yield* Variable.text("SEGFORMER_CACHE")
  if (own !== undefined) return own
  const base =
    process.platform === "win32"
      ? ((yield* Variable.text("LOCALAPPDATA")) ?? join(homedir(), "AppData", "Local"))
      : process.platform === "darwin"
        ? join(homedir(), "Library", "Caches")
        : ((yield* Variable.text("XDG_CACHE_HOME")) ?? join(homedir(), ".cache"))
  return join(base, "effect-segformer")
})

/** The model's files, from the cache or the Hub. */
export const open = Effect.fn("ModelHub.open" satisfies SpanName)(function* (
  id: string,
  variant: string,
  options: HubOptions = {}
): Effect.fn.Return<Model.Model, Failure, HttpClient.HttpClient | FileSystem.FileSystem> {
  const fail = (detail: string) => new ModelNotLoadable({ model: id, detail })
  const revision = options.revision ?? "main"
  // Each becomes part of a path.
  const isSafe = [id, variant, revision].every(
    (part) => /^[\w.-]+(\/[\w.-]+)*$/.test(part) && !part.includes("..")
  )
  if (!isSafe || id.split("/").length !== 2) {
    return yield* fail(
      "a model of the Hub is named OWNER/NAME, such as nvidia/segformer-b0-finetuned-ade-512-512"
    )
  }
  const cache = join(options.cache ?? (yield* cacheFolder), "hub", id.replace("/", "--"))
  const settings = ["config.json", "preprocessor_config.json"]
  const candidates = WeightFiles.named(variant)
  const folderOf = (commit: string) => join(cache, commit.replaceAll("/", "--"))
  const isHere = (commit: string, file: string) => ModelFolder.isReadable(join(folderOf(commit), file))
  const isComplete = (commit: string) =>
    Effect.gen(function* () {
      const model = yield* Effect.findFirst(candidates, (file) => isHere(commit, file))
      if (Option.isNone(model)) return false
      const files = [...settings, ...(yield* outsideOf(join(folderOf(commit), model.value), model.value))]
      return (yield* Effect.forEach(files, (file) => isHere(commit, file))).every(Boolean)
    })

  const known = yield* readRef(cache, revision)
  const cached = known !== undefined && (yield* isComplete(known)) ? known : undefined
  const isCommit = /^[0-9a-f]{40}$/.test(revision)
  if (isCommit && (yield* isComplete(revision))) {
    return yield* ModelFolder.read(folderOf(revision), variant, id)
  }
  const offline = /^(1|true|yes|on)$/i.test((yield* Variable.text("HF_HUB_OFFLINE")) ?? "")
  if (offline) {
    if (cached === undefined) {
      return yield* fail(
        `it is not in the cache (${cache}), and HF_HUB_OFFLINE forbids to download it. Unset it once, or give a folder`
      )
    }
    return yield* ModelFolder.read(folderOf(cached), variant, id)
  }

  const token = yield* Effect.option(Config.Redacted("HF_TOKEN"))
  const hub = yield* HubFile.connect({
    endpoint: (yield* Variable.text("HF_ENDPOINT")) ?? "https://huggingface.co",
    token: Option.getOrUndefined(Option.filter(token, (value) => Redacted.value(value) !== "")),
    model: id
  })
  const commit = yield* Effect.scoped(
    Effect.gen(function* () {
      const runner = yield* PolicyRunner.make({ service: hub.endpoint, policy })
      const attempt = <A>(
        effect: Effect.Effect<A, ModelNotLoadable | ServiceError>,
        changes?: Policy.CallPolicyOptions
      ) =>
        Effect.map(
          runner.run(() => effect, { policy: changes }),
          ({ value }) => value
        )
      const head = yield* Effect.result(
        attempt(
          hub.head(revision, "config.json"),
          cached === undefined ? {} : { retry: false, attemptTimeout: "10 seconds" }
        )
      )
      if (head._tag === "Failure") {
        // Without a network a model that is here is as good as it was yesterday.
        const { failure } = head
        const isAway = failure._tag === "ConnectionFailed" || failure._tag === "TimedOut"
        if (!isAway || cached === undefined) return yield* failure
        yield* Effect.logWarning(`Using ${id} from the cache: ${failure.message}`)
        return cached
      }
      const commit = head.success.commit ?? revision
      const fetch = Effect.fnUntraced(function* (file: string) {
        if (yield* isHere(commit, file)) return
        const info = yield* attempt(hub.head(commit, file))
        yield* attempt(hub.download(commit, file, info, join(folderOf(commit), file), options.onProgress))
      })
      for (const file of settings) yield* fetch(file)
      const [usual, ...others] = candidates
      // A precision goes by several names: the next one is asked for where there is no such file.
      const model = yield* others.reduce(
        (before: Effect.Effect<string, Failure>, file) =>
          Effect.catchTag(before, "ModelNotLoadable", (none) =>
            Effect.mapError(Effect.as(fetch(file), file), (error) =>
              error._tag === "ModelNotLoadable" ? none : error
            )
          ),
        Effect.as(fetch(usual!), usual!)
      )
      for (const file of yield* outsideOf(join(folderOf(commit), model), model)) yield* fetch(file)
      yield* writeRef(cache, revision, commit, fail)
      return commit
    })
  )
  return yield* ModelFolder.read(folderOf(commit), variant, id)
})

/** The files with the weights of a model that has them beside it. */
const outsideOf = (path: string, file: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(ModelFolder.outside(path), (names) => names.map((name) => posix.join(posix.dirname(file), name)))

/** Which commit a branch or tag stood at when it was last asked for. */
const refPath = (cache: string, revision: string) => join(cache, "refs", revision.replaceAll("/", "--"))

const readRef = (
  cache: string,
  revision: string
): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.match(fs.readFileString(refPath(cache, revision)), {
      onSuccess: (commit) => commit.trim(),
      onFailure: () => undefined
    })
  )

const writeRef = (
  cache: string,
  revision: string,
  commit: string,
  fail: (detail: string) => ModelNotLoadable
): Effect.Effect<void, ModelNotLoadable, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    const path = refPath(cache, revision)
    return Effect.andThen(
      WholeFile.makeFolder(dirname(path)),
      WholeFile.write(path, new TextEncoder().encode(commit))
    )
  }).pipe(Effect.mapError(({ reason }) => fail(`the cache ${cache} cannot be written (${reason})`)))
