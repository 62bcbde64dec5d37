/**
 * Our server as clients of others meet it: `segformer serve` in a process of its own, with a token that clients must bring and
 * a small limit of bytes, and the pictures as files.
 */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Schema, type Scope } from "effect"
import { encode } from "fast-png"
import type { LabelMap } from "effect-segformer/mask"
import * as Python from "../../support/Python.ts"
import * as Pictures from "../Pictures.ts"
import * as Process from "../Process.ts"

const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url))

export const token = "a-token-of-the-peers"
export const otherToken = "a-token-of-nobody"

/** Bytes of an image, at most. */
const maxBytes = 1024 * 1024

export interface Ours {
  readonly url: string
  /** What it was started with, for whom a name matters. */
  readonly protocols: string
  /** The pictures as files, by their names. */
  readonly pictures: string
  /** A file that is no image, and a picture that is larger than is taken. */
  readonly text: string
  readonly large: string
}

/** Serves in these protocols. */
export const serve = (
  protocols: string,
  more: ReadonlyArray<string> = []
): Effect.Effect<Ours, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Process.folder
    const pictures = join(folder, "pictures")
    mkdirSync(pictures)
    for (const { bytes, name } of Pictures.pictures) writeFileSync(join(pictures, name), bytes)
    const [text, large] = [join(folder, "text.png"), join(folder, "large.png")]
    writeFileSync(text, "hello, I am no image")
    // What cannot be packed: 800 x 600 pixels are more than the limit.
    writeFileSync(large, encode({ width: 800, height: 600, channels: 3, data: randomBytes(800 * 600 * 3) }))
    const { url } = yield* Process.start({
      command: process.execPath,
      args: (port) => [
        "-C",
        "effect-segformer-source",
        main,
        "serve",
        "--port",
        String(port),
        "--protocol",
        protocols,
        "--max-bytes",
        String(maxBytes),
        ...more
      ],
      env: () => ({ SEGFORMER_SERVE_TOKENS: token, NODE_NO_WARNINGS: "1" }),
      ready: "/ready"
    })
    return { url, protocols, pictures, text, large }
  })

/** What a client's script says of one trial: label maps by the names of pictures, what it was told, or its error. */
const Said = Schema.Struct({
  trial: Schema.String,
  maps: Schema.optionalKey(
    Schema.Record(
      Schema.String,
      Schema.Struct({ width: Schema.Int, height: Schema.Int, data: Schema.String })
    )
  ),
  value: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.String)
})
type Said = typeof Said.Type

export type Script = ReadonlyMap<string, Said>

/** A server, and what a Python script says of all its trials with it: it is told where all is. */
export const script = (
  protocols: string,
  list: string,
  file: string
): Effect.Effect<Script, Error, Scope.Scope> =>
  scriptOf(protocols, () => [Python.environment(list).executable, "-W", "ignore", `clients/${file}`])

/** The same of a program with its first arguments. */
export const scriptOf = (
  protocols: string,
  program: () => readonly [command: string, ...args: ReadonlyArray<string>],
  env: (ours: Ours) => Readonly<Record<string, string>> = () => ({})
): Effect.Effect<Script, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const ours = yield* serve(protocols)
    const [command, ...args] = program()
    const output = yield* Process.output(
      command,
      [...args, ours.url, token, otherToken, ours.pictures, ours.text, ours.large],
      env(ours)
    )
    const lines = output.split("\n").filter((line) => line.startsWith("{"))
    return new Map(
      lines.map((line) => {
        const said = Schema.decodeUnknownSync(Said)(JSON.parse(line))
        return [said.trial, said] as const
      })
    )
  })

const of = (script: Script, trial: string): Said => {
  const said = script.get(trial)
  assert.ok(said !== undefined, `the script has no trial "${trial}"`)
  return said
}

/** Fails unless these are the label maps of the model in this process, of all pictures or of some. */
export const sameMaps = (
  found: ReadonlyMap<string, LabelMap.LabelMap>,
  least = Pictures.pictures.length
): Effect.Effect<void, unknown> =>
  Effect.map(Pictures.known, (known) => {
    assert.ok(found.size >= least, `${found.size} of ${least} pictures came back`)
    for (const [name, map] of found) Pictures.same(name, map, known.get(name)!)
  })

/** A trial of a script that gives label maps: of all pictures, or of so many. */
export const gives =
  (trial: string, least?: number) =>
  (script: Script): Effect.Effect<void, unknown> =>
    Effect.suspend(() => {
      const { error, maps = {} } = of(script, trial)
      assert.equal(error, undefined)
      return sameMaps(
        new Map(
          Object.entries(maps).map(([name, { data, height, width }]) => [
            name,
            { width, height, data: new Uint8Array(Buffer.from(data, "base64")) }
          ])
        ),
        least
      )
    })

/** A trial that is told something, as JSON. */
export const says =
  (trial: string, expected: unknown) =>
  (script: Script): Effect.Effect<void, unknown> =>
    Effect.sync(() => {
      const { error, value } = of(script, trial)
      assert.equal(error, undefined)
      assert.deepEqual(value, expected)
    })

/** A trial whose client fails, with what its user sees. */
export const fails =
  (trial: string, words: RegExp) =>
  (script: Script): Effect.Effect<void, unknown> =>
    Effect.sync(() => assert.match(of(script, trial).error ?? "it did not fail", words))

/** What users see of each of our refusals, where their client shows it. */
export const seen = {
  token: /This service asks for a token/,
  otherToken: /does not know this token/,
  tooLarge: /larger than \d+ bytes, the most this service takes/,
  text: /is not an image: it is text, which starts \\*"hello/,
  model: /There is no model \\?"other\\?" here/
} as const

/** The file of a small picture. */
export const one = ({ pictures }: Ours): string => join(pictures, "panel.png")

/** What a client of this process does. */
export const trying = <A>(run: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause)))
  })

/** Fails unless a client has the map of every picture, several at once. */
export const each = (
  { pictures }: Ours,
  segment: (path: string) => Effect.Effect<LabelMap.LabelMap, Error>
): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    Effect.forEach(
      Pictures.pictures,
      ({ name }) => Effect.map(segment(join(pictures, name)), (map) => [name, map] as const),
      { concurrency: "unbounded" }
    ),
    (all) => sameMaps(new Map(all))
  )

/** All that an error says: some clients keep the answer beside their message. */
const whole = (error: Error): string => {
  const { cause, message, name } = error
  const more = JSON.stringify(Object.fromEntries(Object.entries(error)))
  return `${name}: ${message} ${more} ${cause instanceof Error ? whole(cause) : ""}`
}

/** Fails unless a client fails, with what its user sees. */
export const failsWith = (
  asked: Effect.Effect<unknown, Error>,
  words: RegExp
): Effect.Effect<void, unknown> =>
  Effect.flip(asked).pipe(
    Effect.mapError(() => new Error("it did not fail")),
    Effect.map((error) => assert.match(whole(error), words))
  )
