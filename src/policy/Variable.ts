/**
 * Variables of the environment as values: a name, what it sets, what it takes and how its text is read. What a program
 * reads and what the documentation lists is the same table.
 *
 * ```ts
 * import { Variable } from "effect-segformer/policy"
 *
 * const patience = Variable.duration("PATIENCE", { sets: "how long to wait", default: "1 minute" })
 * patience.takes // => "a duration such as `30 seconds`, or a number of milliseconds"
 * patience.parse("soon")._tag // => "Wrong"
 * ```
 */
import {
  ByteSize,
  Config,
  ConfigProvider,
  Duration,
  Effect,
  Option,
  Redacted,
  Schema,
  SchemaIssue
} from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import * as Range from "./Range.ts"

/** What the text of a variable says, or why it says nothing. A reason starts with a verb: "must be …". */
export type Parsed<A> =
  | { readonly _tag: "Value"; readonly value: A }
  | { readonly _tag: "Wrong"; readonly reason: string }

export interface Variable<out A> {
  readonly name: string
  readonly sets: string
  /** In words, where it is not set. */
  readonly default: string
  /** In words, such as "a whole number of at least 1". */
  readonly takes: string
  /** Its text is never repeated, not even where it is wrong. */
  readonly isSecret: boolean
  readonly parse: (text: string) => Parsed<A>
}

/** What each variable has besides what it takes. */
export interface About {
  readonly sets: string
  readonly default: string
}

const Problem = Schema.Struct({ variable: Schema.String, detail: Schema.String })

/** The environment does not say what is needed, or says it wrongly. All problems are listed, each with its variable. */
export class InvalidConfig extends ErrorKind.ofCaller<InvalidConfig>()("InvalidConfig", {
  problems: Schema.Array(Problem)
}) {
  override get message(): string {
    return `The configuration is not usable:\n${this.problems.map(({ detail, variable }) => `  ${variable} ${detail}`).join("\n")}`
  }
}

const right = <A>(value: A): Parsed<A> => ({ _tag: "Value", value })
const wrong = (reason: string): Parsed<never> => ({ _tag: "Wrong", reason })

/** A variable of one's own kind. `parse` gives `undefined` for what is not of it. */
export const make = <A>(
  name: string,
  about: About,
  kind: { readonly takes: string; readonly parse: (text: string) => A | undefined }
): Variable<A> => ({
  name,
  ...about,
  takes: kind.takes,
  isSecret: false,
  parse: (text) => {
    const value = kind.parse(text)
    return value === undefined ? wrong(`must be ${kind.takes}`) : right(value)
  }
})

/** A variable whose text is in no error and no log. `parse` says by itself what is wrong. */
export const secret = <A>(
  name: string,
  about: About,
  takes: string,
  parse: (text: string) => A | { reason: string }
): Variable<A> => ({
  name,
  ...about,
  takes,
  isSecret: true,
  parse: (text) => {
    const value = parse(text)
    return isReason(value) ? wrong(value.reason) : right(value)
  }
})

const isReason = (value: unknown): value is { reason: string } =>
  typeof value === "object" && value !== null && "reason" in value

/** A base URL. It may hold a password by mistake, and is never repeated; `key` is the variable that belongs to it. */
export const address = (name: string, about: About, key: string): Variable<string> =>
  secret(name, about, "a whole http(s) URL such as `http://localhost:8080`", (text) => {
    if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
      return { reason: "must be a whole http(s) URL such as http://localhost:8080" }
    }
    const { password, username } = new URL(text)
    return username === "" && password === ""
      ? text
      : { reason: `must hold no name and password. Set ${key} instead` }
  })

/** A key that travels in a header. */
export const key = (name: string, about: About): Variable<Redacted.Redacted> =>
  secret(name, about, "a key", (text) =>
    /^[\x20-\x7e]+$/.test(text)
      ? Redacted.make(text, { label: name })
      : { reason: "has characters that no header may carry" }
  )

/** The same variable, which may also be `off`: then its value is `false`. */
export const orOff = <A>(variable: Variable<A>): Variable<A | false> => ({
  ...variable,
  takes: `${variable.takes}, or \`off\``,
  parse: (text) => {
    if (text.toLowerCase() === "off") return right<A | false>(false)
    const parsed = variable.parse(text)
    return parsed._tag === "Value" ? parsed : wrong(`${parsed.reason}, or \`off\``)
  }
})

const decimal = /^\d+(\.\d+)?$/
const decodeDuration = Schema.decodeUnknownOption(Schema.DurationFromString)

/** A time that passes, unless its range in milliseconds is another. */
export const duration = (
  name: string,
  about: About,
  range: Range.Range = { least: 0, above: true }
): Variable<Duration.Duration> =>
  make(name, about, {
    takes: "a duration such as `30 seconds`, or a number of milliseconds",
    parse: (text) => {
      const value = decimal.test(text) ? Option.some(Duration.millis(Number(text))) : decodeDuration(text)
      // What has no end is `off` here, where it may be.
      const isTime = Option.isSome(value) && Duration.isFinite(value.value)
      return isTime && Range.isWithin(range, Duration.toMillis(value.value)) ? value.value : undefined
    }
  })

export const whole = (name: string, about: About, least: number): Variable<number> =>
  number(name, about, { least, whole: true })

/** A number, written as `0.2` or `3`. */
export const number = (name: string, about: About, range: Range.Range): Variable<number> =>
  make(name, about, {
    takes: Range.words(range),
    parse: (text) => {
      const value = decimal.test(text) ? Number(text) : Number.NaN
      return Range.isWithin(range, value) ? value : undefined
    }
  })

/** HTTP statuses. */
export const statuses = (name: string, about: About): Variable<ReadonlyArray<number>> =>
  make(name, about, {
    takes: "HTTP statuses such as `429, 503`, or `none`",
    parse: (text) => {
      if (text.toLowerCase() === "none") return []
      const found = text.split(",").map((each) => each.trim())
      return found.every((each) => /^[45]\d\d$/.test(each)) ? found.map(Number) : undefined
    }
  })

/** `on` or `off`, and what else people write for them. */
export const flag = (name: string, about: About): Variable<boolean> =>
  make(name, about, {
    takes: "`on` or `off`",
    parse: (text) =>
      /^(on|true|yes|1)$/i.test(text) ? true : /^(off|false|no|0)$/i.test(text) ? false : undefined
  })

/** One of some words. */
export const literal = <const A extends string>(
  name: string,
  about: About,
  words: ReadonlyArray<A>
): Variable<A> =>
  make(name, about, {
    takes: `one of ${words.map((word) => `\`${word}\``).join(", ")}`,
    parse: (text) => words.find((word) => word === text)
  })

/**
 * Bytes as people write them: `1048576`, `512k`, `50M`, `1.5 GiB`. A unit is a power of 1024 however it is spelled (`k`,
 * `kB`, `KiB`); `undefined` for what is no such size, for nothing, and for less than a byte.
 */
export const parseBytes = (text: string): number | undefined => {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])i?b?|b)?$/i.exec(text.trim()) ?? []
  if (digits === undefined) return undefined
  const spelled = `${digits}${unit.toUpperCase()}${unit === "" ? "B" : "iB"}`
  const size = Option.flatMap(ByteSize.fromString(spelled), ByteSize.toNumber)
  return Option.getOrUndefined(Option.filter(size, (bytes) => bytes > 0))
}

/** A size, in bytes. */
export const bytes = (name: string, about: About): Variable<number> =>
  make(name, about, {
    takes: "a size such as `1048576`, `512k` or `64 MiB`",
    parse: parseBytes
  })

/** Reads variables one after the other, and tells all that is wrong with them at the end. */
export interface Reader {
  /** `undefined` where the variable is not set, is empty, or is wrong. */
  readonly read: <A>(variable: Variable<A>) => Effect.Effect<A | undefined>
  /** Something else that is wrong: what one variable needs of another. */
  readonly object: (variable: { readonly name: string }, detail: string) => void
  readonly done: Effect.Effect<void, InvalidConfig>
}

/** The text of a variable, from the `ConfigProvider` of the context; one that is empty is not set. */
export const text = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.option(Config.NonEmptyString(name)), Option.getOrUndefined)

/** The variables that say where a program runs. */
export const productionNames = ["NODE_ENV", "ENVIRONMENT"] as const

/** Which variable says that this is production, as the end of a sentence; `undefined` where none does. */
export const production: Effect.Effect<string | undefined> = Effect.gen(function* () {
  for (const name of productionNames) {
    const value = yield* text(name)
    if (value?.trim().toLowerCase() === "production") return `${name} is production`
  }
  return undefined
})

export const reader = (): Reader => {
  const problems: Array<typeof Problem.Type> = []
  return {
    read: <A>(variable: Variable<A>) =>
      Effect.map(text(variable.name), (value): A | undefined => {
        if (value === undefined) return undefined
        const parsed = variable.parse(value.trim())
        if (parsed._tag === "Value") return parsed.value
        const detail = variable.isSecret ? parsed.reason : `is "${value.slice(0, 100)}", but ${parsed.reason}`
        problems.push({ variable: variable.name, detail })
        return undefined
      }),
    object: ({ name }, detail) => void problems.push({ variable: name, detail }),
    done: Effect.suspend(() =>
      problems.length === 0 ? Effect.void : Effect.fail(new InvalidConfig({ problems: [...problems] }))
    )
  }
}

/** The texts of some variables, as whichever provider a `Config` is given has them. */
const texts = (names: ReadonlyArray<string>): Config.Config<Record<string, string>> =>
  Config.map(Config.all(names.map((name) => Config.option(Config.String(name)))), (found) =>
    Object.fromEntries(
      found.flatMap((text, index) => (Option.isSome(text) ? [[names[index]!, text.value]] : []))
    )
  )

const issueOf = ({ detail, variable }: typeof Problem.Type): SchemaIssue.Issue =>
  new SchemaIssue.Pointer([variable], new SchemaIssue.InvalidValue({ message: `${variable} ${detail}` }))

/** All that is wrong, each with its variable as path, as a `Config` fails. */
export const toConfigError = ({ problems }: InvalidConfig): Config.ConfigError => {
  const [first, ...rest] = problems.map(issueOf)
  return new Config.ConfigError(
    new Schema.SchemaError(
      first === undefined || rest.length === 0
        ? (first ?? new SchemaIssue.InvalidValue({ message: "the configuration is not usable" }))
        : new SchemaIssue.Composite(Schema.Unknown.ast, [first, ...rest])
    )
  )
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** What is wrong, on one line: of a `Config` too, whose own message shows how it is checked. */
export const wordsOf = (error: InvalidConfig | Config.ConfigError): string =>
  (error._tag === "InvalidConfig"
    ? error.problems.map(({ detail, variable }) => `${variable} ${detail}`)
    : error.cause._tag === "SchemaError"
      ? formatIssue(error.cause.issue).issues.map(({ message }) => message)
      : [error.message]
  ).join("; ")

/**
 * What is read of variables, as a `Config`: for a `layerConfig`, for another provider than that of the context, or under
 * a prefix by `Config.nested`. `names` are all that `read` may ask for.
 */
export const config = <A>(
  names: ReadonlyArray<string>,
  read: Effect.Effect<A, InvalidConfig>
): Config.Config<A> =>
  Config.mapEffect(texts(names), (env) =>
    read.pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
      Effect.mapError(toConfigError)
    )
  )
